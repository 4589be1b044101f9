"""What was accepted while another operation was live, and begins when that one ends.

Rule: it begins in the transaction that ends the other, so nothing is between them. A delete always follows. A resize
follows a good end only: what failed is to be seen and decided on, so the resize is recorded as cancelled, with why.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Operation
from shared.domain.ids import new_id
from shared.domain.kinds import OperationKind, WhenLive, operation_event
from shared.domain.states import OperationState
from shared.events.catalog import OperationCancelled
from shared.events.log import emit
from shared.operations.params import load_params
from shared.operations.resize import begin_resize
from shared.operations.start import emit_requested, new_operation, start_operation
from shared.operations.stored import FollowUp


def waiting_behind(operation: Operation) -> FollowUp | None:
    """What waits for the end of `operation`."""
    return None if operation.follow_up is None else FollowUp.load(operation.follow_up)


async def let_delete_follow(
    session: AsyncSession,
    cluster: Cluster,
    live: Operation,
    *,
    user_id: str,
    request_id: str | None,
    timeout: timedelta | None,
) -> str:
    """Have a delete follow `live`; a resize that waited for it is cancelled. Asking again changes nothing.

    Returns:
        The id of the delete to come.
    """
    waiting = waiting_behind(live)
    if waiting is not None and waiting.kind is OperationKind.DELETE:
        return waiting.uuid
    coming = FollowUp(
        kind=OperationKind.DELETE,
        uuid=new_id(),
        user_id=user_id,
        request_id=request_id,
        timeout=timeout.total_seconds() if timeout else None,
    )
    live.follow_up = coming.dump()
    if waiting is not None:
        await _cancel_unbegun(session, cluster, waiting, "Cancelled: the cluster is being deleted.")
    return coming.uuid


async def begin_follow_up(session: AsyncSession, cluster: Cluster, ended: Operation) -> None:
    """Begin what waited for `ended`, in the transaction that ends it."""
    waiting = waiting_behind(ended)
    if waiting is None:
        return
    await session.flush()
    if waiting.kind.traits.when_live is not WhenLive.CANCELS and ended.state != OperationState.SUCCEEDED:
        await _cancel_unbegun(session, cluster, waiting, f"Cancelled: the {ended.kind} before it {ended.state}.")
        return
    timeout = timedelta(seconds=waiting.timeout) if waiting.timeout else None
    if waiting.wish is not None:
        await begin_resize(
            session,
            cluster,
            waiting.wish,
            waiting.params,
            user_id=waiting.user_id,
            request_id=waiting.request_id,
            timeout=timeout,
            operation_id=waiting.uuid,
        )
        return
    await start_operation(
        session,
        cluster=cluster,
        kind=waiting.kind,
        user_id=waiting.user_id,
        request_id=waiting.request_id,
        params=load_params(waiting.kind, waiting.params),
        timeout=timeout,
        operation_id=waiting.uuid,
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
        params=waiting.params,
        reason=reason,
        nodegroup_ids=list(waiting.wish.counts) if waiting.wish else None,
        finished_at=func.now(),
    )
    session.add(operation)
    await session.flush()
    await emit_requested(session, cluster, operation)
    await emit(
        session,
        operation_event(waiting.kind, "cancelled"),
        OperationCancelled(kind=waiting.kind, reason=reason),
        project_id=cluster.project_id,
        cluster=cluster,
        operation_id=operation.uuid,
    )
