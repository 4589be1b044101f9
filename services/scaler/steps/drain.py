"""Emptying the nodes that go, while they still work.

Rule: bounded, and never in the way: what cannot be emptied within `drain_timeout_seconds`, or because no master is
left to do it, goes all the same, and its row and its last event say so. What was sent is known by ids that follow from
the operation and the nodes, so a crash sends nothing twice; what was found stands in the node's `reason`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import Removal
from shared.db.models import Node
from shared.domain.states import NodeState
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.node_commands import command_given
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.reports import emit_node
from shared.operations.specs import node_spec
from shared.steps.context import StepContext
from shared.steps.stacks import poll_delay

DRAINED = "drained"
# Beyond the drain itself: until the agent has asked, and until its answer is here.
_GRACE = timedelta(seconds=90)


async def ensure_nodes_drained(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every node that goes was emptied, or has the reason why not."""
    leaving = operation.output("ensure_nodes_chosen").get("leaving", [])
    seconds = context.settings.drain_timeout_seconds
    limit = timedelta(seconds=seconds) + _GRACE
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        rows = await session.scalars(select(Node).where(Node.uuid.in_(leaving)).order_by(Node.index).with_for_update())
        # A node whose agent never spoke holds nothing.
        nodes = {node.uuid: node for node in rows if node.announced_at is not None}
        open_ones = {uuid for uuid, node in nodes.items() if node.reason is None}
        if open_ones:
            state = await read_cluster(session, operation.cluster_id)
            specs = [node_spec(node) for node in nodes.values()]
            drain = state.engine.drain(state.spec, specs, state.nodes, seconds=seconds)
            for uuid in open_ones & drain.nothing_to_do:
                await _settle(session, operation, nodes[uuid], None)
            for uuid in open_ones & drain.impossible.keys():
                await _settle(session, operation, nodes[uuid], drain.impossible[uuid])
            for removal in drain.removals:
                await _carry_out(session, operation, removal, nodes, limit)
        waiting = [node.name for node in nodes.values() if node.reason is None]
        drained = sum(node.reason == DRAINED for node in nodes.values())
    if waiting:
        done = len(nodes) - len(waiting)
        return Wait(f"{done} of {len(nodes)} nodes are drained", poll_delay(operation), done, len(nodes))
    return Done({"drained": drained, "not_drained": len(nodes) - drained})


async def _carry_out(
    session: AsyncSession, operation: OperationView, removal: Removal, nodes: dict[str, Node], limit: timedelta
) -> None:
    """Send one command, or take what became of it."""
    about = [nodes[uuid] for uuid in removal.nodes]
    if all(node.reason is not None for node in about):
        return
    action = removal.action
    command_id = str(uuid5(NAMESPACE_OID, " ".join([operation.uuid, action.command, *sorted(removal.nodes)])))
    sent = await command_given(session, action.node_id, action.command, command_id=command_id, args=action.args)
    if sent.ok is None:
        if datetime.now(UTC) - sent.created_at > limit:
            for node in about:
                await _settle(session, operation, node, "no answer came in time")
        return
    reasons = _not_drained(sent.output or "")
    failure = None if sent.ok else _last_words(sent.output or "")
    for node in about:
        await _settle(session, operation, node, failure or reasons.get(node.name))


def _not_drained(output: str) -> dict[str, str]:
    """The lines `not drained <name>: <why>` of a command's output."""
    found: dict[str, str] = {}
    for line in output.splitlines():
        name, separator, why = line.removeprefix("not drained ").partition(": ")
        if line.startswith("not drained ") and separator:
            found[name] = why or "no reason was given"
    return found


def _last_words(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no reason was given"


async def _settle(session: AsyncSession, operation: OperationView, node: Node, obstacle: str | None) -> None:
    assert node.state == NodeState.REMOVING
    if obstacle is None:
        node.reason = DRAINED
        await emit_node(session, node, "node.drained.v1", project_id=operation.project_id)
    else:
        node.reason = f"not drained: {obstacle}"
