"""Deadlines of operations, for the first run and for retries.

Rule: every operation reaches a terminal state. Most kinds have a deadline: the cluster's `create_timeout` if it is set,
otherwise the setting. Operations that process a cluster node by node have none, because their duration depends on the
number of nodes; each of their commands has a timeout, and the first failure ends the operation.
"""

from __future__ import annotations

from datetime import timedelta

from shared.db.models import Cluster
from shared.domain.kinds import OperationKind, TimeLimit
from shared.settings import Settings


def deadline(settings: Settings, cluster: Cluster, kind: OperationKind) -> timedelta | None:
    """The time from now until the deadline of an operation of `kind` on `cluster`; None if it has no deadline."""
    match kind.traits.time_limit:
        case TimeLimit.NONE:
            return None
        case TimeLimit.DELETE:
            return timedelta(minutes=settings.delete_timeout_minutes)
        case TimeLimit.CREATE:
            return timedelta(minutes=cluster.create_timeout or settings.create_timeout_minutes)
