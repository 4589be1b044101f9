"""How long an operation may take: one place, for its first run and for a retry.

Rule: a terminal state is always reached. Most kinds have a deadline, the cluster's own `create_timeout` where there is
one. What goes through a cluster node by node has none, since its length is the number of nodes: each of its commands
has a limit, and it ends at the first that fails.
"""

from __future__ import annotations

from datetime import timedelta

from shared.db.models import Cluster
from shared.domain.kinds import OperationKind, TimeLimit
from shared.settings import Settings


def deadline(settings: Settings, cluster: Cluster, kind: OperationKind) -> timedelta | None:
    """The time an operation of `kind` on `cluster` has from now on; None for no limit on the whole."""
    match kind.traits.time_limit:
        case TimeLimit.NONE:
            return None
        case TimeLimit.DELETE:
            return timedelta(minutes=settings.delete_timeout_minutes)
        case TimeLimit.CREATE:
            return timedelta(minutes=cluster.create_timeout or settings.create_timeout_minutes)
