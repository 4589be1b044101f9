"""Node by node to the target: commands to agents as rows, one turn at a time.

Rule: what was given out and how it ended is in `node_commands`, under ids that follow from the run, the node and the
action, so a crash between any two lines repeats nothing and forgets nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.upgrader.roll import Progress, Turn, next_turn
from shared.db.models import Node, NodeCommand
from shared.domain.errors import PermanentError
from shared.domain.states import NodeState
from shared.drivers.base import NodeAction
from shared.operations.cluster_state import ClusterState, read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.node_commands import last_words, send_command
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.context import Context

# An agent's answer makes the operation due; this is for an answer that never comes.
_LOOK_EVERY = 30.0
_SHOWN = 5


async def ensure_masters_upgraded(context: Context, operation: OperationView) -> Done | Wait:
    """One after another: etcd and the API stay while one of them is away."""
    return await _roll(context, operation, masters=True, batch=1)


async def ensure_workers_upgraded(context: Context, operation: OperationView) -> Done | Wait:
    """At most `max_batch_size` at once."""
    return await _roll(context, operation, masters=False, batch=int(operation.params.get("max_batch_size") or 1))


async def _roll(context: Context, operation: OperationView, *, masters: bool, batch: int) -> Done | Wait:
    target = operation.output("ensure_target_known")
    limit = timedelta(minutes=context.settings.node_command_timeout_minutes)
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        state = replace(state, spec=replace(state.spec, labels=target["labels"]))
        nodes = await _concerned(session, operation, state, masters=masters)
        names = {node.uuid: node.name for node in nodes}
        specs = {spec.uuid: spec for spec in state.nodes}
        actions: dict[str, Sequence[NodeAction]] = {
            node.uuid: ()
            if node.version == target["version"]
            else state.driver.upgrade_actions(state.spec, specs[node.uuid], state.nodes)
            for node in nodes
        }
        sent = await _commands(session, operation, actions)
        progress = {node: _progress(operation, node, planned, sent, limit) for node, planned in actions.items()}
        for node in nodes:
            if progress[node.uuid].done:
                node.version = target["version"]
        turn = next_turn([node.uuid for node in nodes], progress, batch)
        for node_id in turn.send:
            number = progress[node_id].sent
            action = actions[node_id][number]
            command = _command_id(operation, node_id, number)
            await send_command(session, action.node_id, action.command, command_id=command, args=action.args)
    return _outcome(turn, names)


def _outcome(turn: Turn, names: dict[str, str]) -> Done | Wait:
    if not turn.over:
        return Wait(f"{turn.done} of {len(names)} nodes are upgraded", _LOOK_EVERY, turn.done, len(names))
    if turn.failures:
        shown = "; ".join(f"{names[node]}: {why}" for node, why in list(turn.failures.items())[:_SHOWN])
        raise PermanentError(f"{len(turn.failures)} of {len(names)} nodes could not be upgraded: {shown}")
    return Done({"nodes": turn.done})


async def _concerned(
    session: AsyncSession, operation: OperationView, state: ClusterState, *, masters: bool
) -> list[Node]:
    """The nodes that work and belong to a nodegroup that is upgraded. One that does not work is not made worse."""
    groups = [
        group.uuid
        for group in state.nodegroups.values()
        if (group.role == "master") == masters
        and (operation.nodegroup_ids is None or group.uuid in operation.nodegroup_ids)
    ]
    rows = await session.scalars(
        select(Node)
        .where(Node.nodegroup_id.in_(groups), Node.state == NodeState.JOINED)
        .order_by(Node.nodegroup_id, Node.index)
        .with_for_update()
    )
    return list(rows)


async def _commands(
    session: AsyncSession, operation: OperationView, actions: dict[str, Sequence[NodeAction]]
) -> dict[str, NodeCommand]:
    ids = [_command_id(operation, node, number) for node, planned in actions.items() for number in range(len(planned))]
    rows = await session.scalars(select(NodeCommand).where(NodeCommand.id.in_(ids)))
    return {row.id: row for row in rows}


def _command_id(operation: OperationView, node_id: str, number: int) -> str:
    return str(uuid5(NAMESPACE_OID, f"{operation.run_tag} {node_id} {number}"))


def _progress(
    operation: OperationView,
    node_id: str,
    planned: Sequence[NodeAction],
    sent: dict[str, NodeCommand],
    limit: timedelta,
) -> Progress:
    rows = [sent.get(_command_id(operation, node_id, number)) for number in range(len(planned))]
    given = [row for row in rows if row is not None]
    failure = None
    for row in given:
        if row.ok is False:
            failure = f"{row.name} failed: {last_words(row) or 'no word why'}"
        elif row.ok is None and datetime.now(UTC) - row.created_at > limit:
            failure = f"{row.name} was not answered within {int(limit.total_seconds() // 60)} minutes"
    return Progress(len(planned), len(given), sum(row.ok is True for row in given), failure)
