"""Selects the nodes to add and to remove, in one transaction.

Rule: the step may be run again at any time, also after the target has changed, and never reverts what it wrote: a node
that was marked for removal is removed, and missing nodes are added as new ones. A node whose machine is lost is removed
and another one added: Heat does not notice that a server is gone, so the same resource would never be built again.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Node, Nodegroup
from shared.domain.errors import NotFound, PermanentError
from shared.domain.states import NodeState, OperationKind
from shared.drivers.registry import get_engine
from shared.operations.locks import lock_cluster
from shared.operations.nodes import add_nodes, zones_of
from shared.operations.outputs import SelectedNodes
from shared.operations.params import ResizeParams
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.reports import move_node
from shared.operations.specs import node_spec
from shared.steps.choose import leaving
from shared.steps.context import StepContext
from shared.steps.join import ask_again


async def ensure_nodes_chosen(context: StepContext, operation: OperationView) -> Done | Wait:
    """Add rows for new nodes and mark nodes for removal; outputs the shards to update and the nodes to remove."""
    shards: set[tuple[str, int]] = set()
    going: list[str] = []
    async with context.database.transaction() as session:
        cluster = await lock_cluster(session, operation.cluster_id)
        if cluster is None:
            raise NotFound(f"cluster {operation.cluster_id} is gone")
        if cluster.stack_id is None or not cluster.base_outputs:
            raise PermanentError("the cluster's create failed before its network was created: retry the create first")
        concerned = operation.nodegroup_ids or ()
        groups = await session.scalars(select(Nodegroup).where(Nodegroup.uuid.in_(concerned)).order_by(Nodegroup.id))
        for group in groups:
            for node in await _settle(session, context, operation, cluster, group):
                if node.state == NodeState.REMOVING:
                    going.append(node.uuid)
                if node.state == NodeState.REMOVING or node.server_id is None:
                    shards.add((group.uuid, node.shard))
    return Done(SelectedNodes(shards=tuple(sorted(shards)), leaving=tuple(going)))


async def _settle(
    session: AsyncSession, context: StepContext, operation: OperationView, cluster: Cluster, group: Nodegroup
) -> list[Node]:
    """Bring one nodegroup's rows to its count; returns all its rows, by index."""
    rows = list(
        await session.scalars(
            select(Node).where(Node.nodegroup_id == group.uuid).order_by(Node.index).with_for_update()
        )
    )
    by_id = {node.uuid: node for node in rows}
    if operation.kind == OperationKind.NODEGROUP_DELETE:
        count, asked = 0, set(by_id)
    else:
        count, asked = group.node_count, set(operation.read_params(ResizeParams).nodes_to_remove)
    replaces_masters = get_engine(cluster.engine).resizes_masters
    specs, zones = [node_spec(node) for node in rows], zones_of(cluster, group)
    # An upgrade that failed may have left some.
    outdated = {node.uuid for node in rows if node.image_id is not None}
    for chosen in leaving(specs, count, asked, outdated=outdated, replaces_masters=replaces_masters, zones=zones):
        await move_node(session, by_id[chosen.uuid], NodeState.REMOVING, project_id=operation.project_id)
    staying = [node for node in rows if node.state != NodeState.REMOVING]
    if len(staying) > count:
        raise PermanentError(f"nodegroup {group.name}: masters are only removed one at a time and by name")
    # A node that was built but did not join is asked to retry; the stack of one that was not built is updated.
    await ask_again(session, context, operation, staying)
    made = await add_nodes(session, cluster, group, count - len(staying), context.settings.nodes_per_stack)
    await session.flush()
    return rows + made
