"""Checks whether nodes can be added to a cluster: driver limits, cloud resources and quotas.

Rule: everything that would make the operation fail later is rejected now, with all problems in one error. Only the
additional nodes are checked, not the existing ones.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from jeroboam.driver import NodegroupSpec
from jeroboam.driver.labels import boots_from_volume
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.preflight.fetch import fetch_growth
from services.api.preflight.judge import (
    Found,
    Problem,
    demand_of,
    flavor_problems,
    hardware_problems,
    image_problems,
    judge_quotas,
    refusal,
)
from services.api.preflight.lookups import RequestLookups
from services.api.quotas.exceeded import note_exceeded_quotas
from services.api.wire.errors import bad_request
from shared.drivers import checks
from shared.drivers.registry import find_driver, get_hardware
from shared.operations.cluster_state import ClusterState


@dataclass(frozen=True, slots=True)
class Growth:
    """A checked growth of a nodegroup.

    Args:
        nodegroup: with the ID of its image, its operating system and its hardware.
        promise: the transaction that accepts the growth runs in it; see `services.api.preflight.promises`.
    """

    nodegroup: NodegroupSpec
    promise: AbstractContextManager[object]


@dataclass(frozen=True, slots=True)
class _Examined:
    nodegroup: NodegroupSpec
    found: Found | None
    needed: dict[str, int]
    problems: list[Problem]


async def check_growth(
    deps: Deps, context: RequestContext, cluster: ClusterState, grown: NodegroupSpec, *, surge: bool = False
) -> Growth:
    """Reject a nodegroup that cannot grow to what `grown` specifies.

    Args:
        grown: one of the cluster's nodegroups with more nodes, or a new one. A new one has no UUID, and its operating
            system and hardware are not known yet.
        surge: whether it grows only for the time of an upgrade, which the limit of nodes allows.

    Raises:
        ApiError: 400 for missing or unsuitable resources, 403 if only quotas are exceeded.
    """
    highest = deps.settings.max_nodes_per_cluster
    others = sum(group.node_count for group in cluster.nodegroups.values() if group.uuid != grown.uuid)
    if others + grown.node_count > highest and not surge:
        raise bad_request(f"A cluster may have at most {highest} nodes.")
    lookups = RequestLookups(deps, context)
    examined = await lookups.judged(
        lambda: _examine(deps, context, lookups, cluster, grown), refused=lambda examined: bool(examined.problems)
    )
    found = examined.found
    if examined.problems:
        await note_exceeded_quotas(deps, context.project_id, examined.needed, found.quotas if found else {})
        raise refusal(examined.problems)
    if found is None:
        return Growth(examined.nodegroup, nullcontext())
    promise = deps.promises.make(context.project_id, cluster.spec.uuid, examined.needed, found.quotas)
    return Growth(examined.nodegroup, promise)


async def _examine(
    deps: Deps, context: RequestContext, lookups: RequestLookups, cluster: ClusterState, grown: NodegroupSpec
) -> _Examined:
    """Query the cloud and check the nodegroup against it; nothing is awaited after the cloud has answered."""
    before = list(cluster.nodegroups.values())
    old = cluster.nodegroups.get(grown.uuid, replace(grown, node_count=0))
    # Quotas and names belong to the caller's project; those of an administrator of another project do not apply.
    found: Found | None = None
    problems: list[Problem] = []
    if context.project_id == cluster.spec.project_id:
        found = await fetch_growth(lookups, grown.flavor_id, grown.image_id)
        found = replace(found, quotas=deps.promises.counted(context.project_id, found.quotas))
        boots = boots_from_volume(grown.labels, cluster.spec.labels)
        problems += flavor_problems([grown.flavor_id], found, boots)
        problems += image_problems(grown.image_id, found)
    is_new = not grown.hardware
    if is_new:
        grown, unfit = _on_its_axes(cluster, grown, found)
        problems += unfit
    if grown.hardware and found is not None:
        problems += hardware_problems(grown.flavor_id, get_hardware(grown.hardware), found)
    if grown.hardware:
        # Existing nodegroups may have been accepted by an earlier version; that does not permit another one like them.
        known = checks.problems(cluster.engine, cluster.spec, [] if is_new else before)
        now = checks.problems(cluster.engine, cluster.spec, _with(before, grown))
        if is_new:
            others = checks.problems(cluster.engine, cluster.spec, before)
            own = checks.problems(cluster.engine, cluster.spec, [grown])
            now = [text for text in now if text in own or text not in others]
        problems = [*(Problem(400, text) for text in now if text not in known), *problems]
    needed: dict[str, int] = {}
    if found is not None and not problems:
        added = grown.node_count - old.node_count
        needed = _added(cluster, before, _with(before, grown), added, grown, found)
        problems += judge_quotas(needed, found.quotas)
    grown = replace(grown, image_id=found.image.id) if found and found.image else grown
    return _Examined(grown, found, needed, problems)


def _with(before: list[NodegroupSpec], grown: NodegroupSpec) -> list[NodegroupSpec]:
    return [*(group for group in before if group.uuid != grown.uuid), grown]


def _on_its_axes(
    cluster: ClusterState, grown: NodegroupSpec, found: Found | None
) -> tuple[NodegroupSpec, list[Problem]]:
    """Set a new nodegroup's operating system from its image, and its hardware from its labels or its cluster.

    If its image cannot be looked up, both are those of the cluster.
    """
    spec = cluster.spec
    image = found.image if found else None
    if found is not None and (image is None or image.os_distro is None):
        return grown, []  # the problem with the image has been reported
    distro = image.os_distro if image and image.os_distro else spec.os_distro
    server_type = str(grown.labels.get("server_type") or spec.server_type)
    driver = find_driver(spec.coe, distro, server_type)
    if driver is None or driver.engine.name != cluster.engine.name:
        text = (
            f"Nodes of a {spec.coe} cluster cannot run {distro} (image {grown.image_id}) on server type {server_type}."
        )
        return grown, [Problem(400, text)]
    return replace(grown, operating_system=driver.operating_system.name, hardware=driver.hardware.name), []


def _added(
    cluster: ClusterState,
    before: list[NodegroupSpec],
    after: list[NodegroupSpec],
    number: int,
    grown: NodegroupSpec,
    found: Found,
) -> dict[str, int]:
    needs = Counter(checks.needs(cluster.engine, cluster.spec, after))
    needs.subtract(checks.needs(cluster.engine, cluster.spec, before))
    return demand_of([(number, grown.flavor_id)], found, needs)
