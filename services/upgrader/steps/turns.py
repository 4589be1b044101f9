"""One turn of a rolling change: commands to agents as rows, a few nodes at a time.

Rule: what was given out and how it ended is in `node_commands`, under ids that follow from the run, the purpose, the
node and the action, so a crash between any two lines repeats nothing and forgets nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import MASTER, NodeAction
from services.upgrader.roll import Progress, Turn, next_turn
from shared.db.models import Node, NodeCommand
from shared.domain.errors import PermanentError
from shared.domain.states import NodeState
from shared.operations.cluster_state import ClusterState
from shared.operations.node_commands import last_words, send_command
from shared.operations.plan import Done, OperationView, Wait

# An agent's answer makes the operation due; this is for an answer that never comes.
LOOK_EVERY = 30.0
_SHOWN = 5


async def working_nodes(
    session: AsyncSession, operation: OperationView, state: ClusterState, *, masters: bool
) -> list[Node]:
    """The nodes that work, of the nodegroups concerned, locked. One that does not work is not made worse."""
    groups = [
        group.uuid
        for group in state.nodegroups.values()
        if (group.role == MASTER) == masters
        and (operation.nodegroup_ids is None or group.uuid in operation.nodegroup_ids)
    ]
    rows = await session.scalars(
        select(Node)
        .where(Node.nodegroup_id.in_(groups), Node.state == NodeState.JOINED)
        .order_by(Node.nodegroup_id, Node.index)
        .with_for_update()
    )
    return list(rows)


async def take_turn(
    session: AsyncSession,
    operation: OperationView,
    actions: Mapping[str, Sequence[NodeAction]],
    *,
    batch: int,
    limit: timedelta,
    purpose: str = "",
) -> Turn:
    """Take in what agents answered, and give out what is next.

    Args:
        actions: node uuid -> all that is to be done about it, in the order in which nodes are to be begun.
        batch: the most nodes that may be away at once.
        limit: an answer that takes longer is a failure.
        purpose: tells apart what one operation does to a node several times.
    """
    ids = {
        (node, number): str(uuid5(NAMESPACE_OID, f"{operation.run_tag} {purpose}{node} {number}"))
        for node, planned in actions.items()
        for number in range(len(planned))
    }
    rows = await session.scalars(select(NodeCommand).where(NodeCommand.id.in_(ids.values())))
    sent = {row.id: row for row in rows}
    progress = {
        node: _progress([sent.get(ids[node, number]) for number in range(len(planned))], limit)
        for node, planned in actions.items()
    }
    turn = next_turn(list(actions), progress, batch)
    for node in turn.send:
        number = progress[node].sent
        action = actions[node][number]
        await send_command(session, action.node_id, action.command, command_id=ids[node, number], args=action.args)
    return turn


def _progress(commands: Sequence[NodeCommand | None], limit: timedelta) -> Progress:
    given = [command for command in commands if command is not None]
    failure = None
    for command in given:
        if command.ok is False:
            failure = f"{command.name} failed: {last_words(command) or 'no word why'}"
        elif command.ok is None and datetime.now(UTC) - command.created_at > limit:
            failure = f"{command.name} was not answered within {int(limit.total_seconds() // 60)} minutes"
    return Progress(len(commands), len(given), sum(command.ok is True for command in given), failure)


def outcome(turn: Turn, names: Mapping[str, str], what: str) -> Done | Wait:
    """What a turn means for its step.

    Args:
        names: node uuid -> its name.
        what: the participle of what is done to nodes, e.g. `upgraded`.

    Raises:
        PermanentError: nodes failed, and all those begun have come back.
    """
    if not turn.over:
        return Wait(f"{len(turn.done)} of {len(names)} nodes are {what}", LOOK_EVERY, len(turn.done), len(names))
    if turn.failures:
        shown = "; ".join(f"{names[node]}: {why}" for node, why in list(turn.failures.items())[:_SHOWN])
        raise PermanentError(f"{len(turn.failures)} of {len(names)} nodes could not be {what}: {shown}")
    return Done({"nodes": len(turn.done)})
