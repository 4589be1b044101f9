"""Starts an operation: row, statuses and event in one transaction.

Rule: statuses change here, before the response is sent, never later in a service. At most one operation of a cluster is
live; the database enforces it, and this module reports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import notify
from shared.db.models import Cluster, Nodegroup, Operation
from shared.domain.errors import Conflict
from shared.domain.ids import new_id
from shared.domain.kinds import OperationKind, operation_event
from shared.domain.states import LIVE, OperationState, Outcome, cluster_status, nodegroup_status
from shared.events.catalog import OperationRequested
from shared.events.log import emit
from shared.operations.params import PARAMS_OF_KIND, Params
from shared.telemetry.trace import current_trace, new_trace

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
    params: Params | None = None,
    timeout: timedelta | None = None,
    nodegroup_ids: Sequence[str] | None = None,
    operation_id: str | None = None,
    trace: str | None = None,
) -> Operation:
    """Queue an operation on a cluster that has none live.

    Args:
        cluster: the row, in this session; its status and those of the nodegroups concerned become
            `<VERB>_IN_PROGRESS`.
        params: those of the kind; None for none.
        timeout: until the deadline; None for no deadline.
        nodegroup_ids: the nodegroups concerned; None for all of the cluster's.
        operation_id: where the id was promised before.
        trace: of the request that asked for it; by default, of the present work.

    Raises:
        Conflict: another operation of the cluster is live.
    """
    assert params is None or isinstance(params, PARAMS_OF_KIND.get(kind, Params))
    if await live_operation(session, cluster.uuid) is not None:
        raise Conflict(f"Cluster {cluster.name} already has an operation in progress.")
    now = await session.scalar(select(func.now()))
    assert now is not None
    operation = new_operation(
        cluster,
        kind,
        OperationState.QUEUED,
        operation_id=operation_id,
        user_id=user_id,
        params=params.dump() if params else {},
        request_id=request_id,
        trace=trace or trace_of_request(),
        deadline_at=now + timeout if timeout else None,
        nodegroup_ids=None if nodegroup_ids is None else list(nodegroup_ids),
        next_attempt_at=now,
        created_at=now,
    )
    session.add(operation)
    await set_statuses(session, cluster, kind, Outcome.IN_PROGRESS, nodegroup_ids=operation.nodegroup_ids)
    await session.flush()
    await emit_requested(session, cluster, operation)
    await notify(session, CHANNEL)
    return operation


def trace_of_request() -> str:
    """The trace of what asks for an operation; begun here if no request does."""
    return current_trace() or new_trace()


def new_operation(
    cluster: Cluster, kind: OperationKind, state: OperationState, *, operation_id: str | None = None, **columns: Any
) -> Operation:
    """A new row, not yet in a session; `columns` are those without an initial value."""
    ids = (cluster.uuid, cluster.name, cluster.project_id)
    return Operation(**operation_values(*ids, kind, state, operation_id=operation_id, **columns))


def operation_values(
    cluster_id: str,
    cluster_name: str,
    project_id: str,
    kind: OperationKind,
    state: OperationState,
    *,
    operation_id: str | None = None,
    **columns: Any,
) -> dict[str, Any]:
    """The columns of a new operation; `columns` are those without an initial value."""
    return {
        "uuid": operation_id or new_id(),
        "cluster_id": cluster_id,
        "cluster_name": cluster_name,
        "project_id": project_id,
        "kind": kind,
        "state": state,
        "attempts": 0,
        "retries": 0,
        "revision": 0,
        "done": 0,
        "total": 0,
        "cancel_requested": False,
        **columns,
    }


async def set_statuses(
    session: AsyncSession,
    cluster: Cluster,
    kind: OperationKind,
    outcome: Outcome,
    *,
    nodegroup_ids: Sequence[str] | None = None,
    reason: str | None = None,
) -> None:
    """Set a cluster's status and its nodegroups' together: clients wait on either.

    Args:
        kind, outcome: determine the statuses.
        nodegroup_ids: the nodegroups concerned; None for all.
    """
    cluster.status = cluster_status(kind, outcome)
    cluster.status_reason = reason
    cluster.updated_at = func.now()
    concerned = [Nodegroup.cluster_id == cluster.uuid]
    if nodegroup_ids is not None:
        concerned.append(Nodegroup.uuid.in_(nodegroup_ids))
    await session.execute(
        update(Nodegroup)
        .where(*concerned)
        .values(status=nodegroup_status(kind, outcome), status_reason=reason, updated_at=func.now())
        .execution_options(synchronize_session=False)
    )


async def set_status_reasons(session: AsyncSession, operation: Operation, reason: str | None) -> None:
    """Show what an operation waits for, or what it could not do, where clients look: with the statuses of the cluster
    and of its nodegroups."""
    concerned = [Nodegroup.cluster_id == operation.cluster_id]
    if operation.nodegroup_ids is not None:
        concerned.append(Nodegroup.uuid.in_(operation.nodegroup_ids))
    for statement in (
        update(Cluster).where(Cluster.uuid == operation.cluster_id),
        update(Nodegroup).where(*concerned),
    ):
        await session.execute(statement.values(status_reason=reason).execution_options(synchronize_session=False))


async def emit_requested(session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
    """Emit the event that announces a request; it starts the service that runs it."""
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
        trace=operation.trace,
    )
