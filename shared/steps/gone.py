"""Deletes a node's row after its server is gone, with one event.

Rule: only the row says what could not be done for its node, so the transaction that deletes it adds that to the
operation's reason, which is shown when the operation has succeeded.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from shared.db.models import Node, Operation
from shared.domain.states import NodeState
from shared.operations.attention import ask_for_measure
from shared.operations.locks import lock_cluster
from shared.operations.outputs import RemovedNodes
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.reports import emit_node
from shared.operations.step_keys import SELECT_NODES
from shared.steps.context import StepContext
from shared.steps.drain import DRAINED

_SHOWN = 5


async def ensure_nodes_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    """Delete the rows of all removed nodes."""
    leaving = operation.output(SELECT_NODES).leaving
    await remove_rows(context, operation, leaving)
    return Done(RemovedNodes(removed=len(leaving)))


async def remove_rows(context: StepContext, operation: OperationView, leaving: Collection[str]) -> None:
    """Delete the rows of these nodes, whose servers are gone."""
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        rows = await session.scalars(
            select(Node).where(Node.uuid.in_(leaving), Node.state == NodeState.REMOVING).order_by(Node.name)
        )
        undone: dict[str, str] = {}
        for node in list(rows):
            await emit_node(session, node, "node.removed.v1", project_id=operation.project_id, reason=node.reason)
            if node.reason not in (None, DRAINED):
                undone[node.name] = node.reason or ""
            await session.delete(node)
        if undone:
            row = await session.scalar(select(Operation).where(Operation.uuid == operation.uuid).with_for_update())
            if row is not None:
                row.reason = "; ".join(filter(None, (row.reason, _told(undone))))
        await ask_for_measure(session, operation.cluster_id)


def _told(undone: dict[str, str]) -> str:
    """One sentence about removed nodes; the events of the nodes have all reasons."""
    shown = [f"{name} was removed, but {reason}" for name, reason in list(undone.items())[:_SHOWN]]
    more = len(undone) - len(shown)
    return "; ".join([*shown, f"and {more} more nodes"] if more > 0 else shown)
