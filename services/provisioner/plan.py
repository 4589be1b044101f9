"""The plans of the provisioner: the steps that create and delete a cluster. Read this first.

Each step is one function in `steps/`, can be run again at any time, and is skipped once it is recorded as finished.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.provisioner.steps import base_stack as base
from services.provisioner.steps import teardown
from shared.db.models import Cluster, Operation
from shared.domain.kinds import OperationKind
from shared.operations import step_keys as keys
from shared.operations.cluster_state import record_versions
from shared.steps import join, settle, shards
from shared.steps.faults import record_nodegroup_faults
from shared.steps.step_plan import StepPlan


class CreatePlan(StepPlan):
    kind = OperationKind.CREATE
    functions = (
        (keys.SUBMIT_BASE_STACK, base.ensure_base_stack_sent),
        (keys.CREATE_SECRETS, base.ensure_secrets),
        (keys.CREATE_CREDENTIAL, base.ensure_credential),
        (keys.AWAIT_BASE_STACK, base.ensure_base_stack),
        (keys.CREATE_NODE_STACKS, shards.ensure_shards),
        (keys.AWAIT_NODES, join.ensure_nodes_joined),
        (keys.SETTLE_NODES, settle.ensure_nodes_settled),
    )

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
        await record_versions(session, cluster)

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return await record_nodegroup_faults(session, cluster, operation)


class DeletePlan(StepPlan):
    """Keys, nodes and nodegroups are deleted with the cluster's row; the completion event is its last."""

    kind = OperationKind.DELETE
    functions = (
        (keys.STOP_AGENTS, teardown.ensure_agents_stopped),
        (keys.DELETE_NODE_STACKS, teardown.ensure_shards_gone),
        (keys.DELETE_SERVICE_LOAD_BALANCERS, teardown.ensure_service_load_balancers_gone),
        (keys.DELETE_BASE_STACK, teardown.ensure_base_gone),
        (keys.DELETE_LEFTOVERS, teardown.ensure_nothing_left),
        (keys.DELETE_CREDENTIAL, teardown.ensure_credential_gone),
    )


PLANS = (CreatePlan, DeletePlan)
