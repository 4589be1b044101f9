"""Deletes a node's row after its server is gone, with one event.

Rule: what could not be done before the machine was deleted is also in the status reason of the cluster and nodegroup.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.scaler.steps.drain import NOT_DONE
from shared.db.models import Cluster, Node, Nodegroup, Operation
from shared.domain.states import NodeState
from shared.operations.attention import ask_for_measure
from shared.operations.locks import lock_cluster
from shared.operations.outputs import RemovedNodes
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.record import load_view
from shared.operations.reports import emit_node
from shared.operations.step_keys import REMOVE_NODE_RECORDS, SELECT_NODES
from shared.steps.context import StepContext

_NAMED = 5


async def ensure_nodes_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    """Delete the rows of all removed nodes."""
    leaving = operation.output(SELECT_NODES).leaving
    obstacles: dict[str, dict[str, str]] = {}
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        rows = await session.scalars(
            select(Node).where(Node.uuid.in_(leaving), Node.state == NodeState.REMOVING).order_by(Node.name)
        )
        for node in list(rows):
            await emit_node(session, node, "node.removed.v1", project_id=operation.project_id, reason=node.reason)
            if node.reason and node.reason.startswith(NOT_DONE):
                obstacles.setdefault(node.nodegroup_id, {})[node.name] = node.reason
            await session.delete(node)
        await ask_for_measure(session, operation.cluster_id)
    return Done(RemovedNodes(removed=len(leaving), not_drained=obstacles))


async def show_not_drained(session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
    """Write into the status reasons of an operation that succeeded what could not be done for removed nodes."""
    done = (await load_view(session, operation)).outputs.get(REMOVE_NODE_RECORDS.name)
    obstacles = RemovedNodes.load(done).not_drained if done else {}
    if not obstacles:
        return
    everything = {name: why for group in obstacles.values() for name, why in group.items()}
    cluster.status_reason = _sentence(everything)
    for group in await session.scalars(select(Nodegroup).where(Nodegroup.uuid.in_(list(obstacles)))):
        group.status_reason = _sentence(obstacles[group.uuid])


def _sentence(obstacles: Mapping[str, str]) -> str:
    named = "; ".join(f"{name}: {why}" for name, why in list(obstacles.items())[:_NAMED])
    more = f"; and {len(obstacles) - _NAMED} more" if len(obstacles) > _NAMED else ""
    return f"removed nodes: {named}{more}"
