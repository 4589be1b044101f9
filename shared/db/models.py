"""All tables, for Alembic and for `from shared.db import models`."""

from shared.db.bus_models import BusMessage, BusQueue
from shared.db.cluster_models import Cluster, ClusterSecret, ClusterTemplate, Node, NodeCommand, NodeFact, Nodegroup
from shared.db.declarative import Base
from shared.db.federation_models import Federation, FederationMember
from shared.db.orphan_models import Orphan, ProjectSweep
from shared.db.prometheus_models import PrometheusToken
from shared.db.webhook_models import Webhook, WebhookAttempt, WebhookCursor, WebhookDelivery
from shared.db.work_models import (
    DeadLetter,
    Event,
    EventCounter,
    IdempotencyKey,
    LogReader,
    Operation,
    OperationStep,
    Quota,
    ServiceHeartbeat,
)

__all__ = [
    "Base",
    "BusMessage",
    "BusQueue",
    "Cluster",
    "ClusterSecret",
    "ClusterTemplate",
    "DeadLetter",
    "Event",
    "EventCounter",
    "Federation",
    "FederationMember",
    "IdempotencyKey",
    "LogReader",
    "Node",
    "NodeCommand",
    "NodeFact",
    "Nodegroup",
    "Operation",
    "OperationStep",
    "Orphan",
    "ProjectSweep",
    "PrometheusToken",
    "Quota",
    "ServiceHeartbeat",
    "Webhook",
    "WebhookAttempt",
    "WebhookCursor",
    "WebhookDelivery",
]
