"""Brings the add-ons of a cluster to the version that its nodes have been upgraded to."""

from __future__ import annotations

from services.upgrader.steps.masters import carried_out
from services.upgrader.steps.target import is_of_the_cluster, record_target
from shared.domain.errors import NotFound
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.outputs import ChangedNodes
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.step_keys import RESOLVE_TARGET
from shared.steps.context import StepContext


async def ensure_add_ons_applied(context: StepContext, operation: OperationView) -> Done | Wait:
    """The cluster's labels are those of the target, and its add-ons are rendered from them and applied."""
    target = operation.output(RESOLVE_TARGET)
    async with context.database.transaction() as session:
        cluster = await lock_cluster(session, operation.cluster_id)
        if cluster is None:
            raise NotFound(f"cluster {operation.cluster_id} is gone")
        await record_target(session, cluster, target, operation.nodegroup_ids)
        # A nodegroup has no add-ons, and neither has a cluster that was never created completely.
        whole = await is_of_the_cluster(session, operation.cluster_id, operation.nodegroup_ids)
        if not whole or cluster.coe_version is None:
            return Done(ChangedNodes(nodes=0))
        await session.flush()
        state = await read_cluster(session, operation.cluster_id)
        wait = await carried_out(
            context,
            session,
            operation,
            state,
            state.engine.add_on_actions(state.nodes),
            purpose="add-ons",
            doing=f"apply the add-ons of {target.version}",
        )
    return wait or Done(ChangedNodes(nodes=len(state.nodes)))
