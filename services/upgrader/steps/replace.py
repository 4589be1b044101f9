"""Replaces the machines of nodegroups by ones with another image, a few at a time.

Rule: `services.upgrader.surge` decides what comes next from the rows alone, and each move is one that a resize has as
well (`shared.steps`), so it may be interrupted at any point. As the same stacks change several times, each set of nodes
is a round with a tag of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import MASTER
from services.upgrader.steps.target import rows_of, take_image
from services.upgrader.steps.turns import rolling_order
from services.upgrader.surge import Do, Move, next_move
from shared.db.models import Cluster, Node, Nodegroup
from shared.domain.errors import NotFound, PermanentError
from shared.domain.states import NodeState
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.nodes import add_nodes, zones_of
from shared.operations.outputs import ChangedNodes
from shared.operations.params import UpgradeParams
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.reports import move_node
from shared.operations.specs import node_spec
from shared.operations.step_keys import RESOLVE_TARGET
from shared.steps.commands import LOOK_EVERY, command_limit, give_in_order
from shared.steps.context import StepContext
from shared.steps.drain import drain_nodes
from shared.steps.gone import remove_rows
from shared.steps.join import ensure_new_nodes_joined
from shared.steps.settle import ensure_nodes_settled
from shared.steps.shards import drive_shards, shards_of
from shared.telemetry import crashpoints

# Moves in one run of the step; the next ones are made in another one, which shows the progress.
_MOVES = 6


async def ensure_masters_replaced(context: StepContext, operation: OperationView) -> Done | Wait:
    """One after another, each after all masters were seen to work."""
    return await _replace(context, operation, masters=True, batch=1)


async def ensure_workers_replaced(context: StepContext, operation: OperationView) -> Done | Wait:
    """At most `max_batch_size` at once, nodegroup by nodegroup."""
    batch = operation.read_params(UpgradeParams).max_batch_size or 1
    return await _replace(context, operation, masters=False, batch=batch)


@dataclass(frozen=True, slots=True)
class _Turn:
    """The next move, in a round of the operation; `left` of `total` nodes are still to be replaced."""

    move: Move
    view: OperationView
    left: int
    total: int


async def _replace(context: StepContext, operation: OperationView, *, masters: bool, batch: int) -> Done | Wait:
    for _ in range(_MOVES):
        turn = await _next(context, operation, masters=masters, batch=batch)
        if turn.move.do is Do.NOTHING:
            return Done(ChangedNodes(nodes=turn.total))
        if turn.move.do is Do.ADD:
            await crashpoints.reached("surge.added")
        wait = await _make(context, turn)
        if wait is not None:
            done = turn.total - turn.left
            return Wait(f"{done} of {turn.total} nodes are replaced: {wait.reason}", wait.delay, done, turn.total)
    return Wait("nodes are being replaced", 0.0)


async def _next(context: StepContext, operation: OperationView, *, masters: bool, batch: int) -> _Turn:
    """The next move of the first nodegroup that has one; the rows of new nodes are added in the same transaction."""
    images = operation.read_params(UpgradeParams).images
    all_outdated = operation.output(RESOLVE_TARGET).outdated
    move, view, left, total = Move(Do.NOTHING), operation, 0, 0
    async with context.database.transaction() as session:
        cluster = await lock_cluster(session, operation.cluster_id)
        if cluster is None:
            raise NotFound(f"cluster {operation.cluster_id} is gone")
        groups = select(Nodegroup).where(Nodegroup.uuid.in_(images), Nodegroup.cluster_id == cluster.uuid)
        for group in await session.scalars(groups.order_by(Nodegroup.id)):
            if (group.role == MASTER) is not masters:
                continue
            rows = await rows_of(session, group)
            outdated = frozenset(all_outdated.get(group.uuid, ()))
            total += len(outdated)
            left += sum(row.uuid in outdated for row in rows)
            if move.do is Do.NOTHING:
                take_image(cluster, group, rows, images[group.uuid], operation.output(RESOLVE_TARGET))
                move = await _decide(context, session, cluster, group, rows, outdated, batch)
                view = _round(operation, rows)
            if move.do is Do.ADD:
                await add_nodes(session, cluster, group, move.number, context.settings.nodes_per_stack)
                break
    return _Turn(move, view, left, total)


async def _decide(
    context: StepContext,
    session: AsyncSession,
    cluster: Cluster,
    group: Nodegroup,
    rows: Sequence[Node],
    outdated: Collection[str],
    batch: int,
) -> Move:
    order: Sequence[str] = ()
    if group.role == MASTER:
        order = await rolling_order(context, session, await read_cluster(session, cluster.uuid), rows)
    specs = [node_spec(row) for row in rows]
    return next_move(specs, outdated, group.node_count, batch, zones=zones_of(cluster, group), order=order)


def _round(operation: OperationView, rows: Sequence[Node]) -> OperationView:
    """The operation while a nodegroup has these nodes, since the last of them changed."""
    nodes = " ".join(sorted(f"{row.uuid} {row.state == NodeState.REMOVING}" for row in rows))
    changes = [row.updated_at or row.created_at for row in rows]
    return replace(
        operation,
        round=hashlib.sha256(nodes.encode()).hexdigest()[:12],
        created_at=max([operation.created_at, *changes]),
    )


async def _make(context: StepContext, turn: _Turn) -> Wait | None:
    """Make one move; None when it is finished.

    Raises:
        PermanentError: masters do not work, a machine was not built, or a node did not join or must not be removed.
    """
    move, view = turn.move, turn.view
    match move.do:
        case Do.ADD | Do.NOTHING:
            return None
        case Do.BUILD:
            if (wait := await _drive(context, view, move.nodes)) is not None:
                return wait
            return _waits(await ensure_new_nodes_joined(context, view, move.nodes))
        case Do.MARK:
            # The cluster is complete before anything leaves it.
            wait = _waits(await ensure_nodes_settled(context, view)) or await _masters_know(context, view, move.nodes)
            if wait is None:
                await _mark(context, view, move.nodes)
            return wait
        case Do.REMOVE:
            drained = await drain_nodes(context, view, move.nodes)
            if isinstance(drained, Wait):
                return drained
            if (wait := await _drive(context, view, move.nodes)) is not None:
                return wait
            await remove_rows(context, view, move.nodes)
            return None
        case Do.REFUSE:
            raise PermanentError(await _why_not(context, view, move.nodes))
        case _:
            assert_never(move.do)


def _waits(result: Done | Wait) -> Wait | None:
    return result if isinstance(result, Wait) else None


async def _drive(context: StepContext, view: OperationView, nodes: Collection[str]) -> Wait | None:
    """Bring the stacks of these nodes to where they should be."""
    state = await context.cluster(view)
    places = {(node.nodegroup_id, node.shard) for node in state.nodes if node.uuid in set(nodes)}
    shards = shards_of(state, await context.stacks.by_name(view.project_id))
    return await drive_shards(
        context, view, state, [shard for shard in shards if (shard.group.uuid, shard.number) in places]
    )


async def _masters_know(context: StepContext, view: OperationView, nodes: Collection[str]) -> Wait | None:
    """If one of these nodes is a master: the others know of those that have joined since."""
    async with context.database.transaction() as session:
        await lock_cluster(session, view.cluster_id)
        state = await read_cluster(session, view.cluster_id)
        if not any(node.is_master for node in state.nodes if node.uuid in nodes):
            return None
        actions, limit = state.engine.master_change(state.nodes), command_limit(context.settings)
        for answer in await give_in_order(session, view.run_tag, "masters", actions, limit=limit):
            if answer.is_pending:
                return Wait("masters take note of a new one", LOOK_EVERY)
            if answer.failure is not None:
                raise PermanentError(f"a master could not take note of a new one: {answer.failure}")
    return None


async def _mark(context: StepContext, view: OperationView, nodes: Collection[str]) -> None:
    async with context.database.transaction() as session:
        await lock_cluster(session, view.cluster_id)
        rows = await session.scalars(
            select(Node).where(Node.uuid.in_(nodes), Node.state != NodeState.REMOVING).with_for_update()
        )
        for row in list(rows):
            await move_node(session, row, NodeState.REMOVING, project_id=view.project_id)
    await crashpoints.reached("surge.marked")


async def _why_not(context: StepContext, view: OperationView, nodes: Collection[str]) -> str:
    state = await context.cluster(view)
    names = ", ".join(f"{node.name} is {node.state}" for node in state.nodes if node.uuid in set(nodes))
    return f"masters are replaced only while all of them work, and {names}"
