"""What a request may do to operations that are there: delete whatever they do, retry, cancel, wake.

Rule: each runs in the caller's transaction and leaves rows, statuses and events telling one story when it commits.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import notify
from shared.db.models import Cluster, Operation, OperationStep
from shared.domain.errors import Conflict
from shared.domain.kinds import OperationKind, Service, operation_event
from shared.domain.states import LIVE, OperationState, Outcome, check_operation_move
from shared.events.catalog import OperationCancelled
from shared.events.log import emit
from shared.operations.follow_up import begin_follow_up, let_delete_follow, waiting_behind
from shared.operations.start import (
    CHANNEL,
    emit_requested,
    live_operation,
    set_statuses,
    start_operation,
    trace_of_request,
)


async def request_delete(
    session: AsyncSession,
    *,
    cluster: Cluster,
    user_id: str,
    request_id: str | None,
    timeout: timedelta | None = None,
) -> str:
    """Delete a cluster, whatever it is doing.

    A live operation that is between steps ends as cancelled here and now; one whose step is running is asked to stop,
    and the delete follows in the transaction that ends it. Asking again changes nothing.

    Returns:
        The id of the delete operation (which may not be queued yet).
    """
    live = await live_operation(session, cluster.uuid)
    if live is None:
        operation = await start_operation(
            session,
            cluster=cluster,
            kind=OperationKind.DELETE,
            user_id=user_id,
            request_id=request_id,
            timeout=timeout,
        )
        return operation.uuid
    if live.kind == OperationKind.DELETE:
        return live.uuid
    follow_up = await let_delete_follow(session, cluster, live, user_id=user_id, request_id=request_id, timeout=timeout)
    live.cancel_requested = True
    if live.state == OperationState.RUNNING:
        reason = f"Stopping the {live.kind} before the delete."
        await set_statuses(session, cluster, OperationKind.DELETE, Outcome.IN_PROGRESS, reason=reason)
        await notify(session, CHANNEL)
    else:
        await end_cancelled(session, cluster, live)
    return follow_up


async def end_cancelled(session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
    """End a live operation as cancelled, and begin the delete that waited for it, if one does."""
    check_operation_move(OperationState(operation.state), OperationState.CANCELLED)
    kind = OperationKind(operation.kind)
    waiting = waiting_behind(operation)
    deleting = waiting is not None and waiting.kind.traits.removes_cluster
    reason = "Cancelled: the cluster is being deleted." if deleting else "Cancelled on request."
    operation.state = OperationState.CANCELLED
    operation.reason = reason
    operation.finished_at = func.now()
    operation.lease_token = operation.lease_until = None
    await session.flush()
    await emit(
        session,
        operation_event(kind, "cancelled"),
        OperationCancelled(kind=kind, reason=reason),
        project_id=cluster.project_id,
        cluster=cluster,
        operation_id=operation.uuid,
        trace=operation.trace,
    )
    if not deleting:
        concerned = operation.nodegroup_ids
        await set_statuses(session, cluster, kind, Outcome.FAILED, nodegroup_ids=concerned, reason=reason)
    await begin_follow_up(session, cluster, operation)


async def cancel_operation(session: AsyncSession, operation: Operation, cluster: Cluster) -> None:
    """Stop an operation: now if it is between steps, at the next step's end if one is running.

    Raises:
        Conflict: it has ended, or it is a delete (which cannot be undone half-way).
    """
    if operation.state not in LIVE:
        raise Conflict(f"Operation {operation.uuid} has already ended as {operation.state}.")
    if OperationKind(operation.kind).traits.removes_cluster:
        raise Conflict(f"A {operation.kind} cannot be cancelled.")
    operation.cancel_requested = True
    if operation.state != OperationState.RUNNING:
        await end_cancelled(session, cluster, operation)
    await notify(session, CHANNEL)


async def retry_operation(
    session: AsyncSession, operation: Operation, cluster: Cluster, *, request_id: str | None, timeout: timedelta | None
) -> None:
    """Queue a failed operation again; it resumes at the step that failed, with a new deadline.

    An operation that changes numbers of nodes starts at its first step, because nodes may have been lost since.

    Raises:
        Conflict: it did not fail, it is not the cluster's latest, or another one is live.
    """
    if operation.state != OperationState.FAILED:
        raise Conflict(f"Operation {operation.uuid} is {operation.state}; only a failed one can be retried.")
    latest = await session.scalar(
        select(Operation.uuid)
        # One that waited for this one and was cancelled with it never began.
        .where(
            Operation.cluster_id == cluster.uuid,
            or_(Operation.started_at.is_not(None), Operation.state != OperationState.CANCELLED),
        )
        .order_by(Operation.created_at.desc(), Operation.uuid.desc())
        .limit(1)
    )
    if latest != operation.uuid:
        raise Conflict(f"Operation {operation.uuid} is not the cluster's latest; retry {latest} instead.")
    check_operation_move(OperationState.FAILED, OperationState.QUEUED)
    now = await session.scalar(select(func.now()))
    assert now is not None
    operation.state = OperationState.QUEUED
    operation.reason = operation.step_reason = None
    operation.finished_at = None
    operation.attempts = 0
    operation.retries += 1
    operation.cancel_requested = False
    operation.request_id = request_id
    operation.trace = trace_of_request()
    operation.next_attempt_at = now
    operation.deadline_at = now + timeout if timeout else None
    kind = OperationKind(operation.kind)
    if kind.traits.service is Service.SCALER:
        await session.execute(delete(OperationStep).where(OperationStep.operation_id == operation.uuid))
    await set_statuses(session, cluster, kind, Outcome.IN_PROGRESS, nodegroup_ids=operation.nodegroup_ids)
    await session.flush()
    await emit_requested(session, cluster, operation)
    await notify(session, CHANNEL)


async def make_due(session: AsyncSession, cluster_id: str, *, within: float = 0.1) -> None:
    """Let the cluster's waiting operation run soon, because something about the cluster changed.

    `within` seconds gathers a burst (a thousand nodes that join) into few runs.
    """
    await session.execute(
        text(
            "UPDATE operations SET next_attempt_at = now() + make_interval(secs => :within) "
            "WHERE cluster_id = :cluster AND state = 'waiting' "
            "AND next_attempt_at > now() + make_interval(secs => :within)"
        ),
        {"cluster": cluster_id, "within": within},
    )
