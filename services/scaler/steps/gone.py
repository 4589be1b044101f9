"""Deletes a node's row after its server is gone, with one event."""

from __future__ import annotations

from sqlalchemy import select

from shared.db.models import Node
from shared.domain.states import NodeState
from shared.operations.locks import lock_cluster
from shared.operations.outputs import RemovedNodes
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.reports import emit_node
from shared.operations.step_keys import SELECT_NODES
from shared.steps.context import StepContext


async def ensure_nodes_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    """Delete the rows of all removed nodes."""
    leaving = operation.output(SELECT_NODES).leaving
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        rows = await session.scalars(
            select(Node).where(Node.uuid.in_(leaving), Node.state == NodeState.REMOVING).order_by(Node.name)
        )
        for node in list(rows):
            await emit_node(session, node, "node.removed.v1", project_id=operation.project_id, reason=node.reason)
            await session.delete(node)
    return Done(RemovedNodes(removed=len(leaving)))
