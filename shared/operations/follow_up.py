"""Operations that were accepted while another one was live, and start when that one ends.

Rule: it begins in the transaction that ends the other, so nothing is between them. A delete always follows. A resize
or an operation on a nodegroup follows a good end only: what failed is to be seen and decided on, so all that waited is
recorded as cancelled, with why.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Operation
from shared.domain.ids import new_id
from shared.domain.kinds import OperationKind, WhenLive, operation_event
from shared.domain.states import OperationState, Outcome
from shared.events.catalog import OperationCancelled
from shared.events.log import emit
from shared.operations.params import load_params
from shared.operations.queue import queue_of, set_waiting_status, store_queue
from shared.operations.resize import begin_resize
from shared.operations.start import emit_requested, new_operation, start_operation
from shared.operations.stored import FollowUp
from shared.telemetry.trace import current_trace


def waiting_behind(operation: Operation) -> FollowUp | None:
    """What begins at the end of `operation`."""
    return next(iter(queue_of(operation)), None)


async def let_delete_follow(
    session: AsyncSession,
    cluster: Cluster,
    live: Operation,
    *,
    user_id: str,
    request_id: str | None,
    timeout: timedelta | None,
) -> str:
    """Have a delete follow `live`; all that waited for it is cancelled. Asking again changes nothing.

    Returns:
        The id of the delete to come.
    """
    queue = queue_of(live)
    if queue and queue[0].kind is OperationKind.DELETE:
        return queue[0].uuid
    coming = FollowUp(
        kind=OperationKind.DELETE,
        uuid=new_id(),
        user_id=user_id,
        request_id=request_id,
        trace=current_trace(),
        timeout=timeout.total_seconds() if timeout else None,
    )
    store_queue(live, [coming])
    for waiting in queue:
        await _cancel_unbegun(session, cluster, waiting, "Cancelled: the cluster is being deleted.")
    return coming.uuid


async def begin_follow_up(session: AsyncSession, cluster: Cluster, ended: Operation) -> None:
    """Begin what waited for `ended`, in the transaction that ends it."""
    queue = queue_of(ended)
    if not queue:
        return
    store_queue(ended, [])  # it may be retried, and what waited for it is not begun a second time
    await session.flush()
    waiting, *others = queue
    if waiting.kind.traits.when_live is not WhenLive.CANCELS and ended.state != OperationState.SUCCEEDED:
        for each in queue:
            await _cancel_unbegun(session, cluster, each, f"Cancelled: the {ended.kind} before it {ended.state}.")
        return
    store_queue(await _begin(session, cluster, waiting), others)


async def _begin(session: AsyncSession, cluster: Cluster, waiting: FollowUp) -> Operation:
    timeout = timedelta(seconds=waiting.timeout) if waiting.timeout else None
    if waiting.wish is not None:
        return await begin_resize(
            session,
            cluster,
            waiting.wish,
            waiting.params,
            user_id=waiting.user_id,
            request_id=waiting.request_id,
            timeout=timeout,
            operation_id=waiting.uuid,
            trace=waiting.trace,
        )
    return await start_operation(
        session,
        cluster=cluster,
        kind=waiting.kind,
        user_id=waiting.user_id,
        request_id=waiting.request_id,
        params=load_params(waiting.kind, waiting.params),
        timeout=timeout,
        nodegroup_ids=waiting.nodegroup_ids or None,
        operation_id=waiting.uuid,
        trace=waiting.trace,
    )


async def _cancel_unbegun(session: AsyncSession, cluster: Cluster, waiting: FollowUp, reason: str) -> None:
    """Put an operation that will never begin on record: its id was in the answer to the request."""
    operation = new_operation(
        cluster,
        waiting.kind,
        OperationState.CANCELLED,
        operation_id=waiting.uuid,
        user_id=waiting.user_id,
        request_id=waiting.request_id,
        trace=waiting.trace,
        params=waiting.params,
        reason=reason,
        nodegroup_ids=list(waiting.wish.counts) if waiting.wish else list(waiting.nodegroup_ids) or None,
        finished_at=func.now(),
    )
    session.add(operation)
    await session.flush()
    await set_waiting_status(session, waiting, Outcome.FAILED, reason)
    await emit_requested(session, cluster, operation)
    await emit(
        session,
        operation_event(waiting.kind, "cancelled"),
        OperationCancelled(kind=waiting.kind, reason=reason),
        project_id=cluster.project_id,
        cluster=cluster,
        operation_id=operation.uuid,
        trace=operation.trace,
    )
