"""Which machines an upgrade replaces, and whether that is possible.

Rule: machines are replaced if the template names another image than the one that they were made of, unless the label
`upgrade_strategy` says otherwise. All that would make the replacement fail later is rejected now, before anything is
written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from sqlalchemy import select

from jeroboam.driver import MASTER, EndpointMode, Engine, NodegroupSpec
from jeroboam.driver.labels import UPGRADE_STRATEGY
from services.api.clusters.growth import check_growth
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.preflight.lookups import RequestLookups
from services.api.reader import Row
from services.api.templates.queries import one_template
from services.api.wire.errors import bad_request, conflict
from shared.db.models import Node, Nodegroup
from shared.drivers.registry import get_operating_system
from shared.operations.cluster_state import ClusterState

_AUTO, _IN_PLACE, _WORKERS, _REPLACE = "auto", "in_place", "workers", "replace"
_FAILED = "UPDATE_FAILED"


@dataclass(frozen=True, slots=True)
class Replacement:
    """`images`: nodegroup uuid -> the ID of the image of its new machines; `all` also replaces masters that have it."""

    images: Mapping[str, str] = field(default_factory=dict)
    all: bool = False


@dataclass(frozen=True, slots=True)
class _Group:
    """A nodegroup: `marked` if an interrupted upgrade has left nodes with another image than it has."""

    spec: NodegroupSpec
    is_default: bool
    own_image: bool
    marked: bool


async def find_replacement(
    deps: Deps, context: RequestContext, found: Row, template: Row, cluster: ClusterState, concerned: Collection[str]
) -> Replacement:
    """Decide which of the nodegroups concerned get new machines.

    Args:
        found: the cluster's row.
        template: to which it is upgraded.

    Raises:
        ApiError: 400 for an image that does not exist; 409 if the nodes of a nodegroup can neither be upgraded in place
            nor be replaced.
    """
    strategy = _strategy(template["labels"], found["labels"])
    groups = await _groups(deps, cluster)
    mine = [group for group in groups if group.spec.uuid in concerned]
    stay = strategy == _WORKERS or (strategy == _AUTO and _why_masters_stay(cluster.engine, cluster.spec.endpoint_mode))
    free = [group for group in mine if not stay or group.spec.role != MASTER]
    images: dict[str, str] = {}
    if strategy != _IN_PLACE:
        image = await _image(deps, context, found, template, free, strategy)
        workers = next(each.spec.image_id for each in groups if each.is_default and each.spec.role != MASTER)
        for group in free:
            wanted = _wanted(group, image, workers)
            if wanted != group.spec.image_id or group.marked or strategy == _REPLACE:
                images[group.spec.uuid] = wanted
    for group in mine:
        _check(cluster, group.spec, images)
    return Replacement(images, strategy == _REPLACE)


async def promise_surge(
    deps: Deps, context: RequestContext, cluster: ClusterState, images: Mapping[str, str], batch: int
) -> ExitStack:
    """Check that the cloud has room for the new machines that exist beside the old ones.

    Args:
        batch: the maximum number of new machines at once, of nodegroups other than masters.

    Returns:
        The promises, in which the transaction that accepts the upgrade runs.

    Raises:
        ApiError: as for a nodegroup that grows.
    """
    promises = ExitStack()
    # Nodegroups are replaced one after another, so each is judged by itself.
    for group in cluster.nodegroups.values():
        if group.uuid in images and group.node_count:
            added = min(1 if group.role == MASTER else batch, group.node_count)
            grown = replace(group, image_id=images[group.uuid], node_count=group.node_count + added)
            promises.enter_context((await check_growth(deps, context, cluster, grown, surge=True)).promise)
    return promises


def _strategy(template: Mapping[str, str], cluster: Mapping[str, str]) -> str:
    """The template's label, else the cluster's; an empty one is not set."""
    given = (str(labels.get(UPGRADE_STRATEGY) or "").strip() for labels in (template, cluster))
    return next((value for value in given if value), _AUTO)


async def _groups(deps: Deps, cluster: ClusterState) -> Sequence[_Group]:
    async with deps.db.transaction() as session:
        rows = list(
            await session.scalars(
                select(Nodegroup).where(Nodegroup.cluster_id == cluster.spec.uuid).order_by(Nodegroup.id)
            )
        )
        marked = set(
            await session.scalars(
                select(Node.nodegroup_id).where(Node.cluster_id == cluster.spec.uuid, Node.image_id.is_not(None))
            )
        )
    return [
        _Group(cluster.nodegroups[row.uuid], row.is_default, row.own_image, row.uuid in marked)
        for row in rows
        if row.uuid in cluster.nodegroups
    ]


async def _image(
    deps: Deps, context: RequestContext, found: Row, template: Row, groups: Sequence[_Group], strategy: str
) -> str | None:
    """The image of the template that default nodegroups are to have; None if they keep theirs.

    A template that names the image of the cluster's own template means the same one, also if another image has been
    uploaded under the name since. That does not hold after an upgrade that failed, which this one completes or undoes.
    """
    if not any(group.is_default for group in groups):
        return None
    own = await one_template(deps.reader, None, found["cluster_template_id"])
    undone = found["status"] == _FAILED or any(group.marked for group in groups)
    if template["image_id"] == own["image_id"] and not undone and strategy != _REPLACE:
        return None
    lookups = RequestLookups(deps, context)
    image = await lookups.judged(lambda: lookups.find_image(template["image_id"]), refused=lambda image: image is None)
    if image is None:
        raise bad_request(f"Image {template['image_id']} could not be found.")
    return image.id


def _wanted(group: _Group, image: str | None, workers: str) -> str:
    """The image that a nodegroup is to have: one that was chosen for it, else the template's, else the cluster's."""
    if group.own_image:
        return group.spec.image_id
    if group.is_default:
        return image or group.spec.image_id
    return workers


def _check(cluster: ClusterState, group: NodegroupSpec, images: Mapping[str, str]) -> None:
    system = get_operating_system(group.operating_system)
    why = _why_masters_stay(cluster.engine, cluster.spec.endpoint_mode) if group.role == MASTER else None
    if group.uuid not in images and not cluster.engine.upgrades_in_place(system):
        raise conflict(
            f"Cluster Template is not valid for upgrade: Nodes with {system.name} are not upgraded in place"
            + (f", and {why}." if why else "; their machines are replaced if the template names another image.")
        )
    if group.uuid in images and why:
        raise conflict(
            f"Cluster Template is not valid for upgrade: Label {UPGRADE_STRATEGY}: masters cannot be replaced: {why}. "
            f"{_AUTO} and {_WORKERS} keep the machines of masters, {_IN_PLACE} those of all nodes."
        )


def _why_masters_stay(engine: Engine, endpoint: EndpointMode) -> str | None:
    if not engine.replaces_masters:
        return f"{engine.name} does not support it"
    if endpoint is EndpointMode.PORT:
        return "the address of the API belongs to the machine of the single master (master_lb_enabled is false)"
    return None
