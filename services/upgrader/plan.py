"""The plans of the upgrader: to another version, to other authorities, to another credential. Read this first.

Nodes stay the machines they are: for an upgrade each is emptied, upgraded by its own agent, and filled again, masters
one after another before any worker. What was done is in `nodes.version`, so a retry goes on where it failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.upgrader.steps import authorities, credential, nodes, target
from shared.db.models import Cluster, ClusterTemplate, Nodegroup, Operation, OperationStep
from shared.domain.states import OperationKind
from shared.steps.context import StepContext, StepOfContext, bound_steps


class UpgradePlan:
    kind = OperationKind.UPGRADE.value
    removes_cluster = False
    functions: ClassVar[Sequence[StepOfContext]] = (
        target.ensure_target_known,
        nodes.ensure_masters_upgraded,
        nodes.ensure_workers_upgraded,
    )

    def __init__(self, context: StepContext) -> None:
        self.steps = bound_steps(context, self.functions)

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
        """The cluster is its new template's from now on, and nodes made later get the new version."""
        output = await session.scalar(
            select(OperationStep.output).where(
                OperationStep.operation_id == operation.uuid, OperationStep.name == "ensure_target_known"
            )
        )
        assert output is not None
        groups = select(Nodegroup).where(Nodegroup.cluster_id == cluster.uuid)
        if operation.nodegroup_ids is not None:
            groups = groups.where(Nodegroup.uuid.in_(operation.nodegroup_ids))
        changed = {name: value for name, value in output["labels"].items() if cluster.labels.get(name) != value}
        whole = False
        for group in await session.scalars(groups.execution_options(populate_existing=True)):
            group.labels = {**group.labels, **changed}
            group.version = output["version"]
            whole = whole or group.is_default
        if whole:
            cluster.labels = output["labels"]
            cluster.coe_version = output["version"]
            await _take_template(session, cluster, operation.params["cluster_template_id"])

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return {}


async def _take_template(session: AsyncSession, cluster: Cluster, template_id: str) -> None:
    """Name the new template, unless it was deleted meanwhile: what it said has been done all the same."""
    found = await session.scalar(
        select(ClusterTemplate.uuid).where(ClusterTemplate.uuid == template_id).with_for_update(read=True)
    )
    if found is not None:
        cluster.cluster_template_id = found


class _RotationPlan:
    """The steps of a rotation write everything, so that a broken one is gone on with."""

    removes_cluster = False
    functions: ClassVar[Sequence[StepOfContext]]

    def __init__(self, context: StepContext) -> None:
        self.steps = bound_steps(context, self.functions)

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
        """Nothing is left to write."""

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return {}


class RotateCaPlan(_RotationPlan):
    kind = OperationKind.ROTATE_CA.value
    functions: ClassVar[Sequence[StepOfContext]] = (
        authorities.ensure_successors_made,
        authorities.ensure_both_trusted,
        authorities.ensure_trust_refreshed,
        authorities.ensure_successors_sign,
        authorities.ensure_old_ones_forgotten,
    )


class RotateCredentialsPlan(_RotationPlan):
    kind = OperationKind.ROTATE_CREDENTIALS.value
    functions: ClassVar[Sequence[StepOfContext]] = (
        credential.ensure_new_credential,
        credential.ensure_cluster_has_it,
        credential.ensure_old_ones_gone,
    )
