"""The target of an upgrade, resolved once (later changes of the template have no effect on it), and recorded."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, ClusterTemplate, Nodegroup
from shared.domain.errors import PermanentError
from shared.drivers.registry import get_engine
from shared.operations.outputs import UpgradeTarget
from shared.operations.params import UpgradeParams
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.specs import cluster_spec, without_defaults
from shared.operations.upgrades import cluster_target, followed_labels, kept_labels, nodegroup_target
from shared.steps.context import StepContext


async def ensure_target_known(context: StepContext, operation: OperationView) -> Done | Wait:
    """The labels the cluster will have, and the version they select."""
    state = await context.cluster(operation)
    template_id = operation.read_params(UpgradeParams).cluster_template_id
    async with context.database.transaction() as session:
        wanted = await session.scalar(select(ClusterTemplate.labels).where(ClusterTemplate.uuid == template_id))
        whole = await is_of_the_cluster(session, operation.cluster_id, operation.nodegroup_ids)
    if wanted is None:
        raise PermanentError(f"cluster template {template_id} is gone")
    if not whole:
        return Done(nodegroup_target(state.engine, state.spec))
    # Checked again: the cluster may have changed since the request.
    if problems := state.engine.upgrade_problems(state.spec, wanted):
        raise PermanentError("; ".join(problems))
    return Done(cluster_target(state.engine, state.spec, wanted))


async def is_of_the_cluster(session: AsyncSession, cluster_id: str, nodegroup_ids: Sequence[str] | None) -> bool:
    """Whether an upgrade of these nodegroups is one of the cluster: its default nodegroups are among them."""
    found = select(Nodegroup.uuid).where(Nodegroup.cluster_id == cluster_id, Nodegroup.is_default)
    if nodegroup_ids is not None:
        found = found.where(Nodegroup.uuid.in_(nodegroup_ids))
    return await session.scalar(found.limit(1)) is not None


async def record_target(
    session: AsyncSession, cluster: Cluster, target: UpgradeTarget, nodegroup_ids: Sequence[str] | None
) -> None:
    """Write what the nodes have by now, so that later nodes and the add-ons get the same. It may be repeated.

    Args:
        cluster: locked.
        nodegroup_ids: those that were upgraded; None for all.
    """
    engine, before = get_engine(cluster.engine), cluster_spec(cluster)
    whole = await is_of_the_cluster(session, cluster.uuid, nodegroup_ids)
    groups = await session.scalars(
        select(Nodegroup).where(Nodegroup.cluster_id == cluster.uuid).execution_options(populate_existing=True)
    )
    for group in groups:
        if nodegroup_ids is None or group.uuid in nodegroup_ids:
            group.labels = followed_labels(engine, before, target.labels, group.labels)
            group.version = target.version
        elif whole:
            group.labels = kept_labels(engine, before, target.labels, group.labels)
    if whole:
        cluster.labels = without_defaults(cluster, target.labels)
