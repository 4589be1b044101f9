"""One turn of a rolling change: commands for agents, a few nodes at a time.

Rule: a command's key consists of its purpose, its node and its position among the node's actions, so that progress is
known from the rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import MASTER, NodeAction
from services.upgrader.roll import Progress, Turn, next_turn
from shared.db.models import Node
from shared.domain.errors import PermanentError
from shared.domain.states import NodeState
from shared.operations.cluster_state import ClusterState
from shared.operations.outputs import ChangedNodes
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.specs import node_spec
from shared.pki.node_facts import load_facts
from shared.steps.commands import LOOK_EVERY, Answer, find_answers, give_commands
from shared.steps.context import StepContext

_SHOWN = 5


async def working_nodes(
    session: AsyncSession, operation: OperationView, state: ClusterState, *, masters: bool
) -> list[Node]:
    """The joined nodes of the nodegroups concerned, locked. Other nodes are not touched."""
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


async def rolling_order(
    context: StepContext, session: AsyncSession, state: ClusterState, nodes: Sequence[Node]
) -> Sequence[str]:
    """The uuids of `nodes` in the order of the cluster's engine."""
    facts = await load_facts(session, context.sealer, state.spec.uuid) if state.engine.facts else {}
    return state.engine.rolling_order([node_spec(node) for node in nodes], facts)


async def take_turn(
    session: AsyncSession,
    operation: OperationView,
    actions: Mapping[str, Sequence[NodeAction]],
    *,
    batch: int,
    limit: timedelta,
    purpose: str = "",
) -> Turn:
    """Process the agents' answers, and send what is next.

    Args:
        actions: node uuid -> its actions in order; nodes are started in the order of the mapping.
        batch: the maximum number of nodes in progress at once.
        limit: a command that takes longer has failed.
        purpose: distinguishes several rounds of one operation.
    """
    keys = {node: [f"{purpose}{node} {number}" for number in range(len(each))] for node, each in actions.items()}
    every = [key for each in keys.values() for key in each]
    answers = await find_answers(session, operation.run_tag, every, limit=limit)
    progress = {node: _progress([answers.get(key) for key in each]) for node, each in keys.items()}
    turn = next_turn(list(actions), progress, batch)
    chosen = {keys[node][number]: actions[node][number] for node in turn.send for number in [progress[node].sent]}
    await give_commands(session, operation.run_tag, chosen, limit=limit)
    return turn


def _progress(answers: Sequence[Answer | None]) -> Progress:
    given = [answer for answer in answers if answer is not None]
    failures = [answer.failure for answer in given if answer.failure is not None]
    finished = sum(answer.succeeded for answer in given)
    return Progress(len(answers), len(given), finished, failures[-1] if failures else None)


def outcome(turn: Turn, names: Mapping[str, str], what: str) -> Done | Wait:
    """The result of a turn for its step.

    Args:
        names: node uuid -> its name.
        what: a participle that describes a finished node, e.g. `upgraded`.

    Raises:
        PermanentError: nodes failed, and none is in progress any more.
    """
    if not turn.over:
        return Wait(f"{len(turn.done)} of {len(names)} nodes are {what}", LOOK_EVERY, len(turn.done), len(names))
    if turn.failures:
        shown = "; ".join(f"{names[node]}: {why}" for node, why in list(turn.failures.items())[:_SHOWN])
        raise PermanentError(f"{len(turn.failures)} of {len(names)} nodes could not be {what}: {shown}")
    return Done(ChangedNodes(nodes=len(turn.done)))
