"""Checks whether a cluster supports an operation, and starts it.

Rule: operations that the driver does not support or that the cluster's state does not allow are rejected here, for all
kinds. Postgres enforces that a cluster has one live operation; here the violation becomes Magnum's error.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import Engine
from services.api.clusters.deadlines import deadline
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.wire.errors import bad_request, wrong_status
from shared.db.models import Cluster
from shared.domain.errors import Conflict
from shared.domain.states import OperationKind
from shared.drivers.registry import get_engine
from shared.operations.params import Params
from shared.operations.start import start_operation

_BEING_CREATED = "CREATE_IN_PROGRESS"
_NOT_CREATED = "CREATE_FAILED"


def require_operation(found: Row, kind: OperationKind) -> Engine:
    """Return the cluster's engine if it supports `kind` for this cluster.

    Raises:
        ApiError: 400; the message states an alternative if there is one.
    """
    engine = get_engine(found["engine"])
    if kind.value not in engine.capabilities:
        text = f"{kind.value.replace('_', ' ').capitalize()} is not supported by driver {found['driver']}."
        raise bad_request(text)
    if found["status"] != _BEING_CREATED and not _can_go_on(found, kind):
        raise bad_request(
            f"Cluster {found['name']} was never created completely: retry its create operation if it failed, or delete "
            "it."
        )
    return engine


def _can_go_on(found: Row, kind: OperationKind) -> bool:
    """Whether the operation can continue from what exists: the base stack and, after a failed create, a master to join.

    A master that is still being created counts, as in the scaler's wait: another node's failure ended the create.
    """
    if not found["base_outputs"]:
        return False
    return found["status"] != _NOT_CREATED or (kind.traits.mends_create and found["has_master"])


async def start(
    session: AsyncSession,
    deps: Deps,
    context: RequestContext,
    cluster: Cluster,
    kind: OperationKind,
    *,
    params: Params | None = None,
    nodegroup_ids: Sequence[str] | None = None,
) -> None:
    """Queue an operation in the caller's transaction, with the cluster's own deadline.

    Raises:
        ApiError: 400 if another one is live.
    """
    try:
        await start_operation(
            session,
            cluster=cluster,
            kind=kind,
            user_id=context.user_id,
            request_id=context.request_id,
            params=params,
            timeout=deadline(deps.settings, cluster, kind),
            nodegroup_ids=nodegroup_ids,
        )
    except Conflict:
        raise wrong_status(cluster.status) from None
