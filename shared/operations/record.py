"""What the runner records of an operation: always fenced, always with the corresponding events."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Operation, OperationStep
from shared.domain.kinds import OperationKind, operation_event
from shared.domain.states import OperationState, Outcome, check_operation_move
from shared.events.catalog import (
    OperationCompleted,
    OperationFailed,
    OperationProgressed,
    OperationStarted,
)
from shared.events.log import emit
from shared.operations.blame import blame_nodegroups, missing_nodes
from shared.operations.follow_up import begin_follow_up
from shared.operations.plan import OperationView, Plan, Wait
from shared.operations.start import set_status_reasons, set_statuses
from shared.operations.stored import Stored
from shared.telemetry.metrics import OPERATION_SECONDS, OPERATIONS_ENDED

PROGRESS_EVERY = timedelta(seconds=1)


async def cluster_of(session: AsyncSession, operation: Operation) -> Cluster:
    """The operation's cluster. A live operation always has one: only a delete's end removes the row."""
    found = await session.execute(select(Cluster).where(Cluster.uuid == operation.cluster_id))
    return found.scalar_one()


async def load_view(session: AsyncSession, operation: Operation) -> OperationView:
    """The operation with the outputs of its finished steps."""
    rows = await session.execute(
        select(OperationStep.name, OperationStep.output).where(
            OperationStep.operation_id == operation.uuid, OperationStep.finished_at.is_not(None)
        )
    )
    return OperationView(
        uuid=operation.uuid,
        kind=operation.kind,
        cluster_id=operation.cluster_id,
        cluster_name=operation.cluster_name,
        project_id=operation.project_id,
        user_id=operation.user_id,
        params=operation.params,
        created_at=operation.created_at,
        deadline_at=operation.deadline_at,
        retries=operation.retries,
        revision=operation.revision,
        nodegroup_ids=None if operation.nodegroup_ids is None else tuple(operation.nodegroup_ids),
        outputs={row.name: row.output for row in rows},
    )


async def record_started(session: AsyncSession, operation: Operation) -> None:
    """Record the first claim: once per operation, however often it is claimed."""
    if operation.started_at is not None:
        return
    cluster = await cluster_of(session, operation)
    operation.started_at = func.now()
    await emit(
        session,
        operation_event(operation.kind, "started"),
        OperationStarted(kind=OperationKind(operation.kind)),
        project_id=operation.project_id,
        cluster=cluster,
        operation_id=operation.uuid,
        trace=operation.trace,
    )


async def record_step_begun(session: AsyncSession, operation: Operation, name: str, position: int) -> None:
    """Record when a step first ran; later runs of the same step change nothing."""
    operation.step = name
    await session.execute(
        insert(OperationStep).values(operation_id=operation.uuid, name=name, position=position).on_conflict_do_nothing()
    )


async def record_step_done(
    session: AsyncSession, operation: Operation, name: str, position: int, output: Stored, now: datetime
) -> None:
    statement = insert(OperationStep).values(
        operation_id=operation.uuid, name=name, position=position, output=output.dump(), finished_at=func.now()
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["operation_id", "name"],
            set_={"output": statement.excluded.output, "finished_at": func.now()},
        )
    )
    operation.step = name
    operation.step_reason = None
    operation.attempts = 0
    await _progress(session, operation, now)


async def record_wait(session: AsyncSession, operation: Operation, wait: Wait, now: datetime) -> None:
    """Suspend the operation until `wait.delay` has passed or something about the cluster changes."""
    check_operation_move(OperationState(operation.state), OperationState.WAITING)
    changed = operation.step_reason != wait.reason
    operation.step_reason = wait.reason
    if wait.done is not None and wait.total is not None:
        changed = changed or (operation.done, operation.total) != (wait.done, wait.total)
        operation.done, operation.total = wait.done, wait.total
    operation.state = OperationState.WAITING
    operation.lease_token = operation.lease_until = None
    operation.next_attempt_at = func.now() + timedelta(seconds=wait.delay)
    shown = await session.scalar(select(Cluster.status_reason).where(Cluster.uuid == operation.cluster_id))
    if changed or shown != wait.reason:
        await _progress(session, operation, now)


def record_overtaken(operation: Operation) -> None:
    """A later request changed the target of the operation: suspend it, due immediately, so that it starts again."""
    check_operation_move(OperationState(operation.state), OperationState.WAITING)
    operation.state = OperationState.WAITING
    operation.lease_token = operation.lease_until = None
    operation.next_attempt_at = func.now()


async def _progress(session: AsyncSession, operation: Operation, now: datetime) -> None:
    """Publish progress, at most once a second: in an event, and in the status reasons."""
    if operation.progressed_at is not None and now - operation.progressed_at < PROGRESS_EVERY:
        return
    operation.progressed_at = now
    if operation.step_reason is not None:
        await set_status_reasons(session, operation, operation.step_reason)
    await _emit_progress(session, operation)


async def _emit_progress(session: AsyncSession, operation: Operation) -> None:
    await emit(
        session,
        operation_event(operation.kind, "progressed"),
        OperationProgressed(
            kind=OperationKind(operation.kind),
            step=operation.step or "",
            done=operation.done,
            total=operation.total,
            reason=operation.step_reason,
        ),
        project_id=operation.project_id,
        cluster=operation.cluster_id,
        operation_id=operation.uuid,
        trace=operation.trace,
    )


def _end(operation: Operation, state: OperationState, now: datetime) -> float:
    check_operation_move(OperationState(operation.state), state)
    operation.state = state
    operation.finished_at = now
    operation.lease_token = operation.lease_until = None
    seconds = max(0.0, (now - operation.created_at).total_seconds())
    OPERATIONS_ENDED.labels(operation.kind, state).inc()
    OPERATION_SECONDS.labels(operation.kind).observe(seconds)
    return seconds


async def record_completed(session: AsyncSession, operation: Operation, plan: Plan, now: datetime) -> None:
    """Record success. Statuses are set (or the row is deleted) and the event is emitted in the same transaction."""
    cluster = await cluster_of(session, operation)
    seconds = _end(operation, OperationState.SUCCEEDED, now)
    operation.step_reason = None
    if operation.done != operation.total:
        operation.done = operation.total
        await _emit_progress(session, operation)
    await set_statuses(
        session, cluster, OperationKind(operation.kind), Outcome.COMPLETE, nodegroup_ids=operation.nodegroup_ids
    )
    operation.reason = await plan.completed(session, cluster, operation)
    if operation.reason is not None:
        await set_status_reasons(session, operation, operation.reason)
    await emit(
        session,
        operation_event(operation.kind, "completed"),
        OperationCompleted(kind=OperationKind(operation.kind), status=cluster.status, seconds=seconds),
        project_id=operation.project_id,
        cluster=cluster,
        operation_id=operation.uuid,
        trace=operation.trace,
    )
    await begin_follow_up(session, cluster, operation)
    if plan.kind.traits.removes_cluster:
        await session.flush()
        await session.delete(cluster)


async def record_failed(
    session: AsyncSession,
    operation: Operation,
    plan: Plan | None,
    reason: str,
    now: datetime,
    *,
    late: bool = False,
) -> None:
    """Record a failure with its reason.

    Args:
        plan: adds what only the operation's kind knows; None where no service that has it is there.
        late: the deadline has passed; the reason then names the nodes that are missing.
    """
    cluster = await cluster_of(session, operation)
    if late:
        reason += await missing_nodes(session, operation)
    operation.reason = reason
    _end(operation, OperationState.FAILED, now)
    kind, concerned = OperationKind(operation.kind), operation.nodegroup_ids
    await set_statuses(session, cluster, kind, Outcome.FAILED, nodegroup_ids=concerned, reason=reason)
    await blame_nodegroups(session, operation)
    faults = await plan.failed(session, cluster, operation, reason) if plan else {}
    await emit(
        session,
        operation_event(kind, "failed"),
        OperationFailed(
            kind=kind,
            status=cluster.status,
            step=operation.step,
            reason=reason,
            faults=faults,
        ),
        project_id=operation.project_id,
        cluster=cluster,
        operation_id=operation.uuid,
        trace=operation.trace,
    )
    await begin_follow_up(session, cluster, operation)
