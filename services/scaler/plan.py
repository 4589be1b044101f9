"""The plans of the scaler: how a cluster gets more or fewer nodes. Read this first.

Each step is one function in `steps/` or `shared/steps/`, can be run again at any time, and is skipped once it has
recorded that it holds. What is wanted is read from the rows (`nodegroups.node_count`), never from the request, so a
request that joins a live resize only makes it look again.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from services.scaler.steps import choice, drain, gone, labels, shards
from shared.db.models import Cluster, Nodegroup, Operation
from shared.domain.states import OperationKind
from shared.operations.plan import Step
from shared.steps import join
from shared.steps.context import Context, StepOfContext, bound_steps
from shared.steps.faults import record_nodegroup_faults


class _NodesPlan:
    """The nodes of some nodegroups brought to their count."""

    functions: ClassVar[list[StepOfContext]] = [
        choice.ensure_nodes_chosen,
        drain.ensure_nodes_drained,
        shards.ensure_shards,
        join.ensure_nodes_joined,
        gone.ensure_nodes_gone,
    ]
    removes_cluster = False

    def __init__(self, context: Context) -> None:
        self.steps: tuple[Step, ...] = bound_steps(context, self.functions)

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
        """Every step has written what it changed."""

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return await record_nodegroup_faults(session, cluster, operation)


class ResizePlan(_NodesPlan):
    kind = OperationKind.RESIZE.value


class NodegroupCreatePlan(_NodesPlan):
    kind = OperationKind.NODEGROUP_CREATE.value


class NodegroupDeletePlan(_NodesPlan):
    kind = OperationKind.NODEGROUP_DELETE.value

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
        concerned = operation.nodegroup_ids or []
        await session.execute(delete(Nodegroup).where(Nodegroup.uuid.in_(concerned)))


class NodegroupUpdatePlan(_NodesPlan):
    """Counts' limits hold from the moment they are written; labels and taints are told to the nodes there are."""

    kind = OperationKind.NODEGROUP_UPDATE.value
    functions: ClassVar[list[StepOfContext]] = [labels.ensure_nodes_labelled]
