"""Accepts a resize, also while another operation of the cluster is live.

Rule: a resize sets a target in rows (`nodegroups.node_count`). A second resize during the first changes the target and
the live operation follows: its revision is incremented, the outputs of its steps are discarded, and its steps start
again. Behind an operation of another kind it is queued, and the target is written when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import notify
from shared.db.models import Cluster, Nodegroup, Operation, OperationStep
from shared.domain.ids import new_id
from shared.domain.kinds import OperationKind, WhenLive
from shared.domain.states import OperationState, Outcome
from shared.operations.params import ResizeParams
from shared.operations.queue import check_can_wait, queue_of, store_queue
from shared.operations.start import (
    CHANNEL,
    emit_requested,
    live_operation,
    set_statuses,
    start_operation,
    trace_of_request,
)
from shared.operations.stored import FollowUp, Wish
from shared.telemetry.trace import current_trace


async def request_resize(
    session: AsyncSession,
    *,
    cluster: Cluster,
    nodegroup: Nodegroup,
    node_count: int,
    remove: Sequence[str] = (),
    user_id: str,
    request_id: str | None,
    timeout: timedelta | None = None,
    rollback: bool | None = None,
) -> str:
    """Ask that a nodegroup has `node_count` nodes.

    Args:
        cluster: locked in this session.
        remove: uuids of nodes that shall go in any case.
        rollback: as asked for; it is stored and changes nothing. None: not asked.

    Returns:
        The id of the operation that does it; it may not be queued yet.

    Raises:
        Conflict: the cluster is being deleted, or its live resize is being cancelled.
    """
    wish = Wish(counts={nodegroup.uuid: node_count}, remove=tuple(remove))
    asked: dict[str, Any] = {"node_count": node_count, "nodegroup": nodegroup.name}
    if rollback is not None:
        asked["rollback"] = rollback
    live = await live_operation(session, cluster.uuid)
    if live is None:
        operation = await begin_resize(
            session, cluster, wish, asked, user_id=user_id, request_id=request_id, timeout=timeout
        )
        return operation.uuid
    check_can_wait(cluster, live)
    if OperationKind(live.kind).traits.when_live is WhenLive.WAITS:
        await _join(session, cluster, live, wish, asked, request_id=request_id, timeout=timeout)
        return live.uuid
    queue = queue_of(live)
    place = next((place for place, each in enumerate(queue) if each.wish is not None), len(queue))
    earlier = queue[place] if place < len(queue) else None
    waiting = FollowUp(
        kind=OperationKind.RESIZE,
        uuid=earlier.uuid if earlier else new_id(),
        user_id=user_id,
        request_id=request_id,
        trace=current_trace(),
        timeout=timeout.total_seconds() if timeout else None,
        params=asked,
        wish=earlier.wish.joined_by(wish) if earlier and earlier.wish else wish,
    )
    store_queue(live, [*queue[:place], waiting, *queue[place + 1 :]])
    return waiting.uuid


async def begin_resize(
    session: AsyncSession,
    cluster: Cluster,
    wish: Wish,
    params: Mapping[str, Any],
    *,
    user_id: str,
    request_id: str | None,
    timeout: timedelta | None,
    operation_id: str | None = None,
    trace: str | None = None,
) -> Operation:
    """Write the wish and queue the operation, on a cluster that has none live.

    Args:
        params: of ResizeParams, without what the wish says.
        trace: of the request that asked for it; by default, of the present work.
    """
    concerned = await _write_counts(session, cluster, wish)
    return await start_operation(
        session,
        cluster=cluster,
        kind=OperationKind.RESIZE,
        user_id=user_id,
        request_id=request_id,
        params=ResizeParams.load({**params, "nodes_to_remove": wish.remove}),
        timeout=timeout,
        nodegroup_ids=concerned,
        operation_id=operation_id,
        trace=trace,
    )


async def _join(
    session: AsyncSession,
    cluster: Cluster,
    live: Operation,
    wish: Wish,
    asked: Mapping[str, Any],
    *,
    request_id: str | None,
    timeout: timedelta | None,
) -> None:
    """Change the target of a live resize."""
    concerned = await _write_counts(session, cluster, wish)
    now = await session.scalar(select(func.now()))
    assert now is not None
    live.revision += 1
    await session.execute(delete(OperationStep).where(OperationStep.operation_id == live.uuid))
    live.step = live.step_reason = None
    live.attempts = 0
    removed = ResizeParams.load(live.params).nodes_to_remove
    now_asked = ResizeParams.load({**live.params, **asked, "nodes_to_remove": sorted({*removed, *wish.remove})})
    live.params = {**live.params, **now_asked.dump()}
    live.nodegroup_ids = sorted({*(live.nodegroup_ids or ()), *concerned})
    live.request_id = request_id
    live.trace = trace_of_request()
    if live.deadline_at is not None:
        live.deadline_at = max(live.deadline_at, now + timeout) if timeout else None
    if live.state == OperationState.WAITING:
        live.next_attempt_at = now
    kind = OperationKind(live.kind)
    await set_statuses(session, cluster, kind, Outcome.IN_PROGRESS, nodegroup_ids=live.nodegroup_ids)
    await session.flush()
    await emit_requested(session, cluster, live)
    await notify(session, CHANNEL)


async def _write_counts(session: AsyncSession, cluster: Cluster, wish: Wish) -> list[str]:
    """Returns the nodegroups that are still there to have one."""
    groups = await session.scalars(
        select(Nodegroup)
        .where(Nodegroup.cluster_id == cluster.uuid, Nodegroup.uuid.in_(list(wish.counts)))
        .execution_options(populate_existing=True)
    )
    found = list(groups)
    for group in found:
        group.node_count = wish.counts[group.uuid]
    await session.flush()
    return [group.uuid for group in found]
