"""Operations that were accepted while another one of the cluster is live, in the order in which they start.

Rule: they are stored with the live operation. When it ends, the first one starts in the same transaction, and the
others move to it (`shared/operations/follow_up.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Nodegroup, Operation
from shared.domain.errors import Conflict
from shared.domain.ids import new_id
from shared.domain.kinds import OperationKind, WhenLive
from shared.domain.states import Outcome, nodegroup_status
from shared.operations.params import Params
from shared.operations.start import live_operation, start_operation
from shared.operations.stored import FollowUp
from shared.telemetry.trace import current_trace

LONGEST = 100


class Busy(Conflict):
    """The live operation is of a kind behind which nothing of this kind can wait."""


def queue_of(operation: Operation) -> list[FollowUp]:
    """What waits for the end of `operation`."""
    if operation.follow_up is None:
        return []
    first = FollowUp.load(operation.follow_up)
    return [first, *(FollowUp.load(values) for values in first.rest)]


def store_queue(operation: Operation, queue: Sequence[FollowUp]) -> None:
    """Have these wait for the end of `operation`."""
    if not queue:
        operation.follow_up = None
        return
    first, *others = (waiting.model_dump(mode="json", exclude_unset=True, exclude={"rest"}) for waiting in queue)
    operation.follow_up = first | ({"rest": others} if others else {})


def check_can_wait(cluster: Cluster, live: Operation) -> None:
    """Raises Conflict where nothing more can wait behind `live`, because it or what follows it deletes the cluster."""
    kinds = [OperationKind(live.kind), *(waiting.kind for waiting in queue_of(live))]
    if any(kind.traits.when_live is WhenLive.CANCELS for kind in kinds):
        raise Conflict(f"Cluster {cluster.name} is being deleted.")
    if live.cancel_requested:
        raise Conflict(f"Cluster {cluster.name} is cancelling its {live.kind}; retry when that has ended.")
    if len(kinds) > LONGEST:
        raise Conflict(f"Cluster {cluster.name} has {len(kinds) - 1} operations waiting; ask again later.")


async def request_nodegroup_operation(
    session: AsyncSession,
    *,
    cluster: Cluster,
    kind: OperationKind,
    nodegroup: Nodegroup,
    params: Params,
    user_id: str,
    request_id: str | None,
    timeout: timedelta | None,
) -> str:
    """Create, change or delete a nodegroup: now, or after what the cluster is doing with its nodes.

    Args:
        cluster: locked in this session.
        nodegroup: its status becomes `<VERB>_IN_PROGRESS` in either case.

    Returns:
        The id of the operation that does it; it may not be queued yet.

    Raises:
        Busy: the live operation is not about numbers of nodes or nodegroups.
        Conflict: the cluster is being deleted, or its live operation is being cancelled.
    """
    live = await live_operation(session, cluster.uuid)
    if live is None:
        operation = await start_operation(
            session,
            cluster=cluster,
            kind=kind,
            user_id=user_id,
            request_id=request_id,
            params=params,
            timeout=timeout,
            nodegroup_ids=[nodegroup.uuid],
        )
        return operation.uuid
    check_can_wait(cluster, live)
    if OperationKind(live.kind).traits.when_live is WhenLive.REFUSED:
        raise Busy(f"Cluster {cluster.name} already has an operation in progress.")
    waiting = FollowUp(
        kind=kind,
        uuid=new_id(),
        user_id=user_id,
        request_id=request_id,
        trace=current_trace(),
        timeout=timeout.total_seconds() if timeout else None,
        params=params.dump(),
        nodegroup_ids=(nodegroup.uuid,),
    )
    store_queue(live, [*queue_of(live), waiting])
    await set_waiting_status(session, waiting, Outcome.IN_PROGRESS, f"waiting for the end of the {live.kind}")
    return waiting.uuid


async def set_waiting_status(session: AsyncSession, waiting: FollowUp, outcome: Outcome, reason: str) -> None:
    """Set the statuses of the nodegroups of an operation that waits; the cluster's is the live operation's."""
    await session.execute(
        update(Nodegroup)
        .where(Nodegroup.uuid.in_(waiting.nodegroup_ids))
        .values(status=nodegroup_status(waiting.kind, outcome), status_reason=reason, updated_at=func.now())
        .execution_options(synchronize_session=False)
    )
