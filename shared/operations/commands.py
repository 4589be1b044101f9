"""What a request may do to operations: start, delete, retry, cancel.

Rule: each runs in the caller's transaction and leaves rows, statuses and events telling one story when it commits.
Statuses flip here, before the answer leaves, never later by a service. At most one operation of a cluster is live;
the database holds that rule, this module turns it into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import notify
from shared.db.models import Cluster, Nodegroup, Operation
from shared.domain.errors import Conflict
from shared.domain.ids import new_id
from shared.domain.states import (
    LIVE,
    OperationKind,
    OperationState,
    Outcome,
    check_operation_move,
    cluster_status,
)
from shared.events.catalog import OperationCancelled, OperationRequested, operation_event
from shared.events.log import emit

CHANNEL = "jeroboam_operations"


async def live_operation(session: AsyncSession, cluster_id: str) -> Operation | None:
    """The cluster's live operation, locked until the transaction ends."""
    found = await session.execute(
        select(Operation).where(Operation.cluster_id == cluster_id, Operation.state.in_(LIVE)).with_for_update()
    )
    return found.scalar_one_or_none()


async def start_operation(
    session: AsyncSession,
    *,
    cluster: Cluster,
    kind: OperationKind,
    user_id: str,
    request_id: str | None,
    params: Mapping[str, Any] | None = None,
    timeout: timedelta | None = None,
    operation_id: str | None = None,
) -> Operation:
    """Queue an operation on a cluster that has none live.

    Args:
        cluster: the row, in this session; its status and its nodegroups' become `<VERB>_IN_PROGRESS`.
        timeout: until the deadline; None for no deadline.
        operation_id: where the id was promised before.

    Raises:
        Conflict: another operation of the cluster is live.
    """
    if await live_operation(session, cluster.uuid) is not None:
        raise Conflict(f"Cluster {cluster.name} already has an operation in progress.")
    now = await session.scalar(select(func.now()))
    assert now is not None
    operation = Operation(
        uuid=operation_id or new_id(),
        cluster_id=cluster.uuid,
        cluster_name=cluster.name,
        project_id=cluster.project_id,
        user_id=user_id,
        kind=kind,
        state=OperationState.QUEUED,
        params=dict(params or {}),
        request_id=request_id,
        deadline_at=now + timeout if timeout else None,
        next_attempt_at=now,
        created_at=now,
        attempts=0,
        retries=0,
        done=0,
        total=0,
        cancel_requested=False,
    )
    session.add(operation)
    await set_status(session, cluster, cluster_status(kind, Outcome.IN_PROGRESS), reason=None)
    await session.flush()
    await _emit_requested(session, cluster, operation)
    await notify(session, CHANNEL)
    return operation


async def set_status(session: AsyncSession, cluster: Cluster, status: str, *, reason: str | None) -> None:
    """Set a cluster's status and its nodegroups' together: clients wait on either."""
    cluster.status = status
    cluster.status_reason = reason
    cluster.updated_at = func.now()
    await session.execute(
        update(Nodegroup)
        .where(Nodegroup.cluster_id == cluster.uuid)
        .values(status=status, status_reason=reason, updated_at=func.now())
        .execution_options(synchronize_session=False)
    )


async def _emit_requested(session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
    await emit(
        session,
        operation_event(operation.kind, "requested"),
        OperationRequested(
            cluster_name=cluster.name,
            kind=OperationKind(operation.kind),
            params=operation.params,
            request_id=operation.request_id,
        ),
        project_id=cluster.project_id,
        cluster=cluster,
        operation_id=operation.uuid,
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
    if live.follow_up is None:
        live.follow_up = {
            "uuid": new_id(),
            "user_id": user_id,
            "request_id": request_id,
            "timeout": timeout.total_seconds() if timeout else None,
        }
    follow_up: str = live.follow_up["uuid"]
    live.cancel_requested = True
    if live.state == OperationState.RUNNING:
        status = cluster_status(OperationKind.DELETE, Outcome.IN_PROGRESS)
        await set_status(session, cluster, status, reason=f"Stopping the {live.kind} before the delete.")
        await notify(session, CHANNEL)
    else:
        await end_cancelled(session, cluster, live)
    return follow_up


async def end_cancelled(session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
    """End a live operation as cancelled, and queue the delete that waited for it, if one does."""
    check_operation_move(OperationState(operation.state), OperationState.CANCELLED)
    follow_up = operation.follow_up
    reason = "Cancelled: the cluster is being deleted." if follow_up else "Cancelled on request."
    operation.state = OperationState.CANCELLED
    operation.reason = reason
    operation.finished_at = func.now()
    operation.lease_token = operation.lease_until = None
    await session.flush()
    await emit(
        session,
        operation_event(operation.kind, "cancelled"),
        OperationCancelled(kind=OperationKind(operation.kind), reason=reason),
        project_id=cluster.project_id,
        cluster=cluster,
        operation_id=operation.uuid,
    )
    if follow_up is None:
        status = cluster_status(OperationKind(operation.kind), Outcome.FAILED)
        await set_status(session, cluster, status, reason=reason)
    await queue_follow_up(session, cluster, operation)


async def queue_follow_up(session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
    """Queue the delete that was accepted while `operation` ran, in the transaction that ends it."""
    follow_up = operation.follow_up
    if follow_up is None:
        return
    await session.flush()
    await start_operation(
        session,
        cluster=cluster,
        kind=OperationKind.DELETE,
        user_id=follow_up["user_id"],
        request_id=follow_up["request_id"],
        timeout=timedelta(seconds=follow_up["timeout"]) if follow_up["timeout"] else None,
        operation_id=follow_up["uuid"],
    )


async def cancel_operation(session: AsyncSession, operation: Operation, cluster: Cluster) -> None:
    """Stop an operation: now if it is between steps, at the next step's end if one is running.

    Raises:
        Conflict: it has ended, or it is a delete (which cannot be undone half-way).
    """
    if operation.state not in LIVE:
        raise Conflict(f"Operation {operation.uuid} has already ended as {operation.state}.")
    if operation.kind == OperationKind.DELETE:
        raise Conflict("A delete cannot be cancelled.")
    operation.cancel_requested = True
    if operation.state != OperationState.RUNNING:
        await end_cancelled(session, cluster, operation)
    await notify(session, CHANNEL)


async def retry_operation(
    session: AsyncSession, operation: Operation, cluster: Cluster, *, request_id: str | None, timeout: timedelta | None
) -> None:
    """Queue a failed operation again; it resumes at the step that failed, with a new deadline.

    Raises:
        Conflict: it did not fail, it is not the cluster's latest, or another one is live.
    """
    if operation.state != OperationState.FAILED:
        raise Conflict(f"Operation {operation.uuid} is {operation.state}; only a failed one can be retried.")
    latest = await session.scalar(
        select(Operation.uuid)
        .where(Operation.cluster_id == cluster.uuid)
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
    operation.next_attempt_at = now
    operation.deadline_at = now + timeout if timeout else None
    kind = OperationKind(operation.kind)
    await set_status(session, cluster, cluster_status(kind, Outcome.IN_PROGRESS), reason=None)
    await session.flush()
    await _emit_requested(session, cluster, operation)
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
