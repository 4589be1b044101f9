"""The target of an upgrade, resolved once (later changes of the template have no effect on it), and recorded."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import MASTER
from shared.db.models import Cluster, ClusterTemplate, Node, Nodegroup
from shared.domain.errors import PermanentError
from shared.drivers.registry import get_engine
from shared.operations.outputs import UpgradeTarget
from shared.operations.params import UpgradeParams
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.specs import cluster_spec, without_defaults
from shared.operations.upgrades import (
    cluster_target,
    followed_labels,
    kept_labels,
    nodegroup_target,
    replaces_every_machine,
    target_problems,
)
from shared.steps.context import StepContext


async def ensure_target_known(context: StepContext, operation: OperationView) -> Done | Wait:
    """The labels the cluster will have, and the version they select."""
    state = await context.cluster(operation)
    params = operation.read_params(UpgradeParams)
    template_id = params.cluster_template_id
    async with context.database.transaction() as session:
        wanted = await session.scalar(select(ClusterTemplate.labels).where(ClusterTemplate.uuid == template_id))
        whole = await is_of_the_cluster(session, operation.cluster_id, operation.nodegroup_ids)
    if wanted is None:
        raise PermanentError(f"cluster template {template_id} is gone")
    if not whole:
        target = nodegroup_target(state.engine, state.spec)
    else:
        # Checked again: the cluster may have changed since the request.
        replaced = replaces_every_machine(params.images, operation.nodegroup_ids)
        if problems := target_problems(state.engine, state.spec, wanted, replaced=replaced):
            raise PermanentError("; ".join(problems))
        target = cluster_target(state.engine, state.spec, wanted)
    return Done(target.model_copy(update={"outdated": await _outdated(context, params, target.version)}))


async def _outdated(context: StepContext, params: UpgradeParams, version: str) -> dict[str, tuple[str, ...]]:
    """The nodes to replace, by nodegroup: those with machines of another image, and those of another version.

    The versions of masters that are upgraded in place count only where all machines are replaced. It is resolved once,
    because a new node need not report the version by this name.
    """
    found: dict[str, tuple[str, ...]] = {}
    async with context.database.transaction() as session:
        groups = await session.scalars(select(Nodegroup).where(Nodegroup.uuid.in_(params.images)))
        for group in list(groups):
            image = params.images[group.uuid]
            kept = group.role == MASTER and not params.replace_all
            found[group.uuid] = tuple(
                row.uuid
                for row in await rows_of(session, group)
                if row.server_id is not None
                and ((row.image_id or group.image_id) != image or (version and row.version != version and not kept))
            )
    return found


async def rows_of(session: AsyncSession, group: Nodegroup) -> list[Node]:
    """The nodes of a nodegroup by index, locked."""
    found = select(Node).where(Node.nodegroup_id == group.uuid).order_by(Node.index).with_for_update()
    return list(await session.scalars(found))


def take_image(cluster: Cluster, group: Nodegroup, rows: Sequence[Node], image: str, target: UpgradeTarget) -> None:
    """Have new nodes of a nodegroup built with the image and the labels after the upgrade. It may be repeated.

    Args:
        rows: its nodes, locked; those with another machine remember its image.
    """
    if group.image_id != image:
        for row in rows:
            own = row.image_id or group.image_id
            row.image_id = own if row.server_id is not None and own != image else None
        group.image_id = image
    group.labels = followed_labels(get_engine(cluster.engine), cluster_spec(cluster), target.labels, group.labels)


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
            group.version = target.version or group.version
        elif whole:
            group.labels = kept_labels(engine, before, target.labels, group.labels)
    if whole:
        cluster.labels = without_defaults(cluster, target.labels)
