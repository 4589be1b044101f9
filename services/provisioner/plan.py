"""The plans of the provisioner: how a cluster comes to be, and how it goes. Read this first.

Each step is one function in `steps/`, can be run again at any time, and is skipped once it has recorded that it holds.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.provisioner.steps import base_stack as base
from services.provisioner.steps import teardown
from shared.db.models import Cluster, Operation
from shared.domain.states import OperationKind
from shared.operations.cluster_state import record_versions
from shared.steps import join, shards
from shared.steps.context import StepContext, bound_steps
from shared.steps.faults import record_nodegroup_faults


class CreatePlan:
    kind = OperationKind.CREATE.value
    removes_cluster = False

    def __init__(self, context: StepContext) -> None:
        self.steps = bound_steps(
            context,
            [
                base.ensure_base_stack_sent,
                base.ensure_secrets,
                base.ensure_credential,
                base.ensure_base_stack,
                shards.ensure_shards,
                join.ensure_nodes_joined,
            ],
        )

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
        record_versions(cluster)

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return await record_nodegroup_faults(session, cluster, operation)


class DeletePlan:
    kind = OperationKind.DELETE.value
    removes_cluster = True

    def __init__(self, context: StepContext) -> None:
        self.steps = bound_steps(
            context,
            [
                teardown.ensure_agents_dismissed,
                teardown.ensure_shards_gone,
                teardown.ensure_service_load_balancers_gone,
                teardown.ensure_base_gone,
                teardown.ensure_nothing_left,
                teardown.ensure_credential_gone,
            ],
        )

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
        """Keys, nodes and nodegroups go with the row; the completion event is the last of its sequence."""

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return {}
