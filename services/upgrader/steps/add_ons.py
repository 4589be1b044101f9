"""The end of an upgrade: the workers, then the add-ons of the cluster.

Rule: the add-ons are rendered from the cluster's labels, so these are written when all nodes have the version, and the
add-ons are applied afterwards. Both are part of the stored step `upgrade_other_nodes`.
"""

from __future__ import annotations

from services.upgrader.steps.masters import carried_out
from services.upgrader.steps.nodes import ensure_workers_upgraded
from services.upgrader.steps.target import is_of_the_cluster, record_target
from shared.domain.errors import NotFound
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.step_keys import RESOLVE_TARGET
from shared.steps.context import StepContext


async def ensure_workers_and_add_ons_upgraded(context: StepContext, operation: OperationView) -> Done | Wait:
    """The workers have the version, and so have the add-ons."""
    workers = await ensure_workers_upgraded(context, operation)
    if isinstance(workers, Wait):
        return workers
    return await _apply_add_ons(context, operation) or workers


async def _apply_add_ons(context: StepContext, operation: OperationView) -> Wait | None:
    """Write the target to the rows and apply the add-ons. Returns None when they are applied, or there are none."""
    target = operation.output(RESOLVE_TARGET)
    async with context.database.transaction() as session:
        cluster = await lock_cluster(session, operation.cluster_id)
        if cluster is None:
            raise NotFound(f"cluster {operation.cluster_id} is gone")
        await record_target(session, cluster, target, operation.nodegroup_ids)
        # A nodegroup has no add-ons, and neither has a cluster that was never created completely.
        whole = await is_of_the_cluster(session, operation.cluster_id, operation.nodegroup_ids)
        if not whole or cluster.coe_version is None:
            return None
        await session.flush()
        state = await read_cluster(session, operation.cluster_id)
        return await carried_out(
            context,
            session,
            operation,
            state,
            state.engine.add_on_actions(state.nodes),
            purpose="add-ons",
            doing=f"apply the add-ons of {target.version}",
        )
