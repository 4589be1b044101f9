"""The plans of the provisioner: how a cluster comes to be, and how it goes. Read this first.

Each step is one function in `steps/`, can be run again at any time, and is skipped once it has recorded that it holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.provisioner.context import Context
from services.provisioner.steps import base, join, shards, teardown
from shared.db.models import Cluster, Node, Nodegroup, Operation
from shared.domain.states import NodeState, OperationKind
from shared.drivers.registry import get_driver
from shared.drivers.spec import cluster_spec
from shared.operations.plan import Done, OperationView, Step, Wait

_StepOfContext = Callable[[Context, OperationView], Awaitable[Done | Wait]]


def _steps(context: Context, functions: list[_StepOfContext]) -> tuple[Step, ...]:
    def bind(function: _StepOfContext) -> Step:
        async def run(operation: OperationView) -> Done | Wait:
            return await function(context, operation)

        return Step(function.__name__, run)

    return tuple(bind(function) for function in functions)


class CreatePlan:
    kind = OperationKind.CREATE.value
    removes_cluster = False

    def __init__(self, context: Context) -> None:
        self.steps = _steps(
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
        driver = get_driver(cluster.driver)
        cluster.coe_version = driver.coe_version(cluster_spec(cluster))
        cluster.container_version = driver.container_version(cluster_spec(cluster))

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return await _record_nodegroup_faults(session, cluster)


class DeletePlan:
    kind = OperationKind.DELETE.value
    removes_cluster = True

    def __init__(self, context: Context) -> None:
        self.steps = _steps(
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


async def _record_nodegroup_faults(session: AsyncSession, cluster: Cluster) -> dict[str, str]:
    """Each nodegroup's reason from its failed nodes; the event carries every node's own."""
    rows = await session.execute(
        select(Node.name, Node.reason, Node.nodegroup_id).where(
            Node.cluster_id == cluster.uuid, Node.state == NodeState.FAILED
        )
    )
    faults: dict[str, str] = {}
    by_group: dict[str, list[str]] = {}
    for name, reason, group_id in rows:
        faults[name] = reason or "failed"
        by_group.setdefault(group_id, []).append(f"{name}: {reason}")
    groups = await session.scalars(select(Nodegroup).where(Nodegroup.cluster_id == cluster.uuid))
    for group in groups:
        if group.uuid in by_group:
            group.status_reason = "; ".join(by_group[group.uuid][:10])
    return faults
