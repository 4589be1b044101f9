"""The plans of the scaler: the steps that add and remove nodes. Read this first.

Each step is one function in `steps/` or `shared/steps/`, can be run again at any time, and is skipped once it is
recorded as finished. The target is read from the rows (`nodegroups.node_count`), never from the request, so a request
that joins a live resize only makes its steps run again.
"""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import MASTER
from services.scaler.steps import choice, labels, shards
from shared.db.models import Cluster, Node, Nodegroup, Operation
from shared.domain.kinds import OperationKind
from shared.domain.states import NodeState, Outcome, nodegroup_status
from shared.operations import step_keys as keys
from shared.operations.cluster_state import record_versions
from shared.steps import drain, gone, join, settle
from shared.steps.faults import record_nodegroup_faults
from shared.steps.servers import after_look
from shared.steps.step_plan import StepPlan


class _NodesPlan(StepPlan):
    """Brings nodegroups to their node counts."""

    functions = (
        (keys.SELECT_NODES, after_look(choice.ensure_nodes_chosen)),
        (keys.DRAIN_NODES, drain.ensure_nodes_drained),
        (keys.UPDATE_NODE_STACKS, shards.ensure_shards),
        (keys.AWAIT_NODES, join.ensure_nodes_joined),
        (keys.REMOVE_NODE_RECORDS, gone.ensure_nodes_gone),
        (keys.SETTLE_NODES, settle.ensure_nodes_settled),
    )

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> str | None:
        """What could not be done for removed nodes is in the operation's reason already."""
        if cluster.coe_version is None:
            await _finish_create(session, cluster)
        return operation.reason

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return await record_nodegroup_faults(session, cluster, operation)


async def _finish_create(session: AsyncSession, cluster: Cluster) -> None:
    """Complete a failed create that this operation resumed: nodegroups without a missing node are complete."""
    working = select(Node.uuid).where(
        Node.cluster_id == cluster.uuid, Node.role == MASTER, Node.state == NodeState.JOINED
    )
    if await session.scalar(working.limit(1)) is None:
        return
    await record_versions(session, cluster)
    missing = select(Node.nodegroup_id).where(Node.cluster_id == cluster.uuid, Node.state != NodeState.JOINED)
    await session.execute(
        update(Nodegroup)
        .where(
            Nodegroup.cluster_id == cluster.uuid,
            Nodegroup.status == nodegroup_status(OperationKind.CREATE, Outcome.FAILED),
            Nodegroup.uuid.not_in(missing),
        )
        .values(status=nodegroup_status(OperationKind.CREATE, Outcome.COMPLETE), status_reason=None)
        .execution_options(synchronize_session=False)
    )


class ResizePlan(_NodesPlan):
    kind = OperationKind.RESIZE


class NodegroupCreatePlan(_NodesPlan):
    kind = OperationKind.NODEGROUP_CREATE


class NodegroupDeletePlan(_NodesPlan):
    kind = OperationKind.NODEGROUP_DELETE

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> str | None:
        concerned = operation.nodegroup_ids or []
        await session.execute(delete(Nodegroup).where(Nodegroup.uuid.in_(concerned)))
        return operation.reason


class NodegroupUpdatePlan(StepPlan):
    """Applies new labels and taints to existing nodes; limits of counts take effect when they are written."""

    kind = OperationKind.NODEGROUP_UPDATE
    functions = ((keys.UPDATE_NODE_LABELS, after_look(labels.ensure_nodes_labelled)),)

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return await record_nodegroup_faults(session, cluster, operation)


PLANS = (ResizePlan, NodegroupCreatePlan, NodegroupUpdatePlan, NodegroupDeletePlan)
