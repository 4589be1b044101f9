"""Every event type that Jeroboam emits, with its data and its meaning.

Rule: the page of event types in the documentation is generated from this catalog. Within a version, fields are only
added; a changed meaning is a new version, emitted beside the old one. A test compares every type with a golden file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.kinds import OperationKind, operation_event
from shared.domain.states import NodeState

PREFIX = "io.jeroboam."


class EventData(BaseModel):
    """Base class of all event data; ignores fields that a newer version added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OperationRequested(EventData):
    cluster_name: str
    kind: OperationKind
    params: dict[str, Any] = Field(default_factory=dict, description="parameters of the request")
    request_id: str | None = None


class OperationStarted(EventData):
    kind: OperationKind


class OperationProgressed(EventData):
    kind: OperationKind
    step: str = Field(description="the current step, by its name in the plan")
    done: int = Field(ge=0, description="number of nodes (or other units, depending on the step) completed")
    total: int = Field(ge=0)
    reason: str | None = Field(default=None, description="what the step is waiting for")


class OperationCompleted(EventData):
    kind: OperationKind
    status: str = Field(description="new status of the cluster, e.g. CREATE_COMPLETE")
    seconds: float = Field(description="from the request to completion")


class OperationFailed(EventData):
    kind: OperationKind
    status: str
    step: str | None
    reason: str = Field(description="original error message of the service or node that failed")
    faults: dict[str, str] = Field(default_factory=dict, description="node or nodegroup name -> reason of its failure")


class OperationCancelled(EventData):
    kind: OperationKind
    reason: str


class NodeChanged(EventData):
    node_id: str
    name: str
    nodegroup: str
    role: str
    state: NodeState
    reason: str | None = None
    addresses: list[str] = Field(default_factory=list)


class NodeServerChanged(EventData):
    node_id: str
    name: str
    nodegroup: str
    role: str
    server_id: str
    change: str = Field(
        description="Nova's action, such as delete, rebuild, power_off or resize.confirm; "
        "update for a server that is in error without one"
    )
    failed: bool = Field(description="whether the action failed, or the server is in error")
    server_state: str | None = Field(
        default=None, description="the server's state in Nova's words, such as active, deleted, stopped or error"
    )
    reason: str | None = Field(default=None, description="why it failed, if Nova told it")


class ClusterHealthChanged(EventData):
    status: str = Field(description="HEALTHY, UNHEALTHY or UNKNOWN")
    old_status: str | None = Field(default=None, description="null before the first measurement")
    reasons: dict[str, str] = Field(
        default_factory=dict, description="what is not in order, at most 50 entries of health_status_reason"
    )
    reported: bool = Field(default=False, description="whether a client wrote it, instead of Jeroboam measuring it")


class ClusterImported(EventData):
    cluster_name: str
    coe: str
    status: str = Field(description="status in Magnum, e.g. CREATE_COMPLETE")
    master_count: int = Field(ge=0)
    node_count: int = Field(ge=0)
    stack_id: str | None = Field(default=None, description="the Heat stack that Magnum created for it")
    authority: bool = Field(description="whether its certificate authority was imported")


class StackChanged(EventData):
    stack_id: str
    stack_name: str
    status: str
    reason: str = ""


class ResourceDeleted(EventData):
    kind: str = Field(
        description="port, network, subnet, router, floatingip, security_group or loadbalancer; others may follow"
    )
    id: str
    name: str
    node: str | None = Field(default=None, description="name of the node that a port belonged to")


class QuotaExceeded(EventData):
    resource: str
    limit: int
    wanted: int


class OrphanFound(EventData):
    kind: str = Field(description="kind of the resource, such as stack, server, port or network")
    id: str
    name: str
    cluster_id: str = Field(description="the cluster that was deleted")
    reason: str | None = None


class WebhookDisabled(EventData):
    webhook_id: str
    name: str
    reason: str
    failing_since: str | None = Field(default=None, description="time of the first attempt that failed")


class WebhookExhausted(EventData):
    webhook_id: str
    name: str
    event_id: str = Field(description="the event that was not delivered")
    event_type: str
    attempts: int = Field(ge=1)
    reason: str = Field(description="why the last attempt failed")


class WebhookRecovered(EventData):
    webhook_id: str
    name: str
    failing_since: str | None = None


class WebhookTested(EventData):
    webhook_id: str
    name: str


class RequestAudited(EventData):
    request_id: str = Field(description="as in the response's X-OpenStack-Request-Id and in log lines")
    method: str
    route: str | None = Field(default=None, description="path of the route, with names for what is variable")
    path: str = Field(description="path of the request without its query; texts of callers have at most 255 characters")
    status: int = Field(description="HTTP status of the response")
    location: str | None = Field(default=None, description="URL of what was created, if the response says it")
    user_id: str | None = Field(default=None, description="null if Keystone did not know the token")
    user_name: str | None = None
    project_id: str | None = Field(default=None, description="project of the token; the event itself has none")
    roles: list[str] = Field(default_factory=list)
    address: str | None = Field(default=None, description="address of the client, behind trusted proxies")
    agent: str | None = Field(default=None, description="User-Agent of the client")


@dataclass(frozen=True, slots=True)
class EventType:
    """One entry of the catalog. `name` is the routing key; PREFIX + `name` is the CloudEvents type.

    A mandatory event is a request: it stays unpublished until at least one queue accepts it. Other events are published
    whether or not they have a subscriber.
    """

    name: str
    data: type[EventData]
    summary: str
    mandatory: bool = False

    @property
    def cloudevents_type(self) -> str:
        return PREFIX + self.name


def _operation_types() -> list[EventType]:
    outcomes: list[tuple[str, type[EventData], str]] = [
        ("requested", OperationRequested, "was accepted and stored"),
        ("started", OperationStarted, "was started by a service"),
        ("progressed", OperationProgressed, "made progress (at most once a second)"),
        ("completed", OperationCompleted, "completed successfully"),
        ("failed", OperationFailed, "failed with a reason and can be retried"),
        ("cancelled", OperationCancelled, "was cancelled"),
    ]
    return [
        EventType(
            operation_event(kind, outcome), data, f"{_subject(kind)} {meaning}.", mandatory=outcome == "requested"
        )
        for kind in OperationKind
        for outcome, data, meaning in outcomes
    ]


def _subject(kind: OperationKind) -> str:
    family, _, verb = kind.traits.event.partition(".")
    return f"A {family}'s {verb}"


_NODE_MEANINGS = {
    "announced": "A node's agent made its first call.",
    "joined": "A node joined the cluster.",
    "failed": "A node could not be created, could not join, or its machine was lost or relaunched.",
    "impersonated": "A node's one-time token was offered by something that is not its machine.",
    "drained": "A node that is being removed was drained.",
    "removed": "A node was removed.",
}

CATALOG: dict[str, EventType] = {
    entry.name: entry
    for entry in [
        *_operation_types(),
        *(EventType(f"node.{word}.v1", NodeChanged, meaning) for word, meaning in _NODE_MEANINGS.items()),
        EventType(
            "node.server.changed.v1",
            NodeServerChanged,
            "Nova reported a change of a node's server; what it means for the node follows when Nova was asked.",
        ),
        EventType("cluster.health.changed.v1", ClusterHealthChanged, "A cluster's health status changed."),
        EventType("cluster.imported.v1", ClusterImported, "A cluster was imported from Magnum."),
        EventType("stack.changed.v1", StackChanged, "Heat reported that a stack changed its status."),
        EventType(
            "resource.deleted.v1",
            ResourceDeleted,
            "Neutron or Octavia reported that a resource of a cluster was deleted, and not by an operation.",
        ),
        EventType("quota.exceeded.v1", QuotaExceeded, "A request was rejected because of a quota."),
        EventType("orphan.found.v1", OrphanFound, "A resource in the cloud belongs to a cluster that was deleted."),
        EventType("orphan.removed.v1", OrphanFound, "A resource of a deleted cluster was removed."),
        EventType("webhook.disabled.v1", WebhookDisabled, "A webhook was disabled because its receiver kept failing."),
        EventType("webhook.exhausted.v1", WebhookExhausted, "All attempts to deliver an event to a webhook failed."),
        EventType("webhook.recovered.v1", WebhookRecovered, "The receiver of a webhook accepts events again."),
        EventType("request.accepted.v1", RequestAudited, "A request for a change was accepted; for operators only."),
        EventType("request.rejected.v1", RequestAudited, "A request for a change was rejected; for operators only."),
        EventType("webhook.tested.v1", WebhookTested, "A test of a webhook; sent to that webhook only."),
    ]
}
