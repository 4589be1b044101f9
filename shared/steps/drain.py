"""Drains the nodes to be removed.

Rule: a drain is bounded and never blocks a removal: a node that cannot be drained within `drain_timeout_seconds`, or
because no master is left to drain it, is removed nevertheless. The outcome is in the node's `reason`, in its last event
and, unless it was simply drained, in the reason of the operation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import NodeAction, Removal
from shared.db.models import Node
from shared.domain.errors import PermanentError
from shared.domain.states import NodeState
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.node_commands import last_line
from shared.operations.outputs import DrainedNodes
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.reports import emit_node
from shared.operations.specs import node_spec
from shared.operations.step_keys import SELECT_NODES
from shared.steps.commands import Answer, CommandState, give_commands
from shared.steps.context import StepContext
from shared.steps.stacks import poll_delay

DRAINED = "drained"
_NOT_DRAINED = "not drained"
_NO_REASON = "no reason was given"
# In addition to the drain itself: until the agent has fetched the command, and until its answer has arrived.
_GRACE = timedelta(seconds=90)


async def ensure_nodes_drained(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every node to be removed has been drained, or has the reason why not."""
    found = await drain_nodes(context, operation, operation.output(SELECT_NODES).leaving)
    return found if isinstance(found, Wait) else Done(found)


async def drain_nodes(context: StepContext, operation: OperationView, leaving: Collection[str]) -> DrainedNodes | Wait:
    """Drain these nodes.

    Args:
        leaving: uuids of nodes in the state `removing`.

    Raises:
        PermanentError: a node must not be removed now, says its engine.
    """
    seconds = context.settings.drain_timeout_seconds
    limit = timedelta(seconds=seconds) + _GRACE
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        rows = await session.scalars(select(Node).where(Node.uuid.in_(leaving)).order_by(Node.index).with_for_update())
        # A node whose agent has never reported has no workloads.
        nodes = {node.uuid: node for node in rows if node.announced_at is not None}
        open_ones = {uuid for uuid, node in nodes.items() if node.reason is None}
        if open_ones:
            state = await read_cluster(session, operation.cluster_id)
            specs = [node_spec(node) for node in nodes.values()]
            answer = state.engine.drain(state.spec, specs, state.nodes, seconds=seconds)
            covered = {uuid for removal in answer.removals for uuid in removal.nodes}
            for uuid in open_ones - covered:
                idle = uuid in answer.nothing_to_do
                obstacle = None if idle else answer.impossible.get(uuid, "its engine does not say how to drain it")
                await _settle(session, operation, nodes[uuid], obstacle)
            await _carry_out(session, operation, answer.removals, nodes, limit)
        waiting = [node.name for node in nodes.values() if node.reason is None]
        drained = sum(not (node.reason or "").startswith(_NOT_DRAINED) for node in nodes.values())
    if waiting:
        done = len(nodes) - len(waiting)
        return Wait(f"{done} of {len(nodes)} nodes are drained", poll_delay(operation), done, len(nodes))
    return DrainedNodes(drained=drained, not_drained=len(nodes) - drained)


async def _carry_out(
    session: AsyncSession,
    operation: OperationView,
    removals: Sequence[Removal],
    nodes: Mapping[str, Node],
    limit: timedelta,
) -> None:
    """Send the commands for nodes without an outcome, and record the outcomes that have arrived."""
    about: dict[str, list[Node]] = {}
    actions: dict[str, NodeAction] = {}
    required: dict[str, bool] = {}
    for removal in removals:
        if unsettled := [nodes[uuid] for uuid in removal.nodes if nodes[uuid].reason is None]:
            key = " ".join([removal.action.command, *sorted(removal.nodes)])
            about[key], actions[key], required[key] = unsettled, removal.action, removal.required
    # The scope is the operation, not its run: a node that was drained before a retry is not drained again. A command
    # that must succeed is repeated by a retry.
    answers: dict[str, Answer] = {}
    for scope, needed in ((operation.uuid, False), (operation.run_tag, True)):
        chosen = {key: action for key, action in actions.items() if required[key] is needed}
        answers |= await give_commands(session, scope, chosen, limit=limit)
    for key, answer in answers.items():
        if answer.is_pending:
            continue
        if required[key] and not answer.succeeded:
            names = ", ".join(node.name for node in about[key])
            raise PermanentError(f"{names} must not be removed: {answer.failure}")
        undrained, left = answer.results_of("not_drained"), answer.results_of("not_removed")
        for node in about[key]:
            obstacle = _obstacle(answer, undrained.get(node.name))
            await _settle(session, operation, node, obstacle, left.get(node.name))


def _obstacle(answer: Answer, result: str | None) -> str | None:
    """Why a node was not drained; None if it was drained."""
    if answer.state is CommandState.TIMED_OUT:
        return "the command timed out"
    if not answer.succeeded:
        return last_line(answer.output) or answer.reason
    return None if result is None else result or _NO_REASON


async def _settle(
    session: AsyncSession, operation: OperationView, node: Node, obstacle: str | None, left: str | None = None
) -> None:
    """Record how a node was drained.

    Args:
        obstacle: why it was not drained.
        left: why the engine still lists it.
    """
    assert node.state == NodeState.REMOVING
    if obstacle is None:
        await emit_node(session, node, "node.drained.v1", project_id=operation.project_id)
    undone = [] if obstacle is None else [f"{_NOT_DRAINED}: {obstacle}"]
    if left is not None:
        undone.append(f"its engine still lists it: {left or _NO_REASON}")
    node.reason = "; ".join(undone) or DRAINED
