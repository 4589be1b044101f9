"""Checks whether nodes can be added to a cluster: driver limits, cloud resources and quotas.

Rule: everything that would make the operation fail later is rejected now, with all problems in one error. Only the
additional nodes are checked, not the existing ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

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
    image_problems,
    judge_quotas,
    refusal,
)
from services.api.quotas.exceeded import note_exceeded_quotas
from services.api.wire.errors import bad_request
from shared.drivers import checks
from shared.drivers.registry import find_driver
from shared.operations.cluster_state import ClusterState


async def check_growth(
    deps: Deps, context: RequestContext, cluster: ClusterState, grown: NodegroupSpec
) -> NodegroupSpec:
    """Reject a nodegroup that cannot grow to what `grown` specifies.

    Args:
        grown: one of the cluster's nodegroups with more nodes, or a new one. A new one has no UUID, and its operating
            system and hardware are not known yet.

    Returns:
        The nodegroup with the ID of its image, its operating system and its hardware.

    Raises:
        ApiError: 400 for missing or unsuitable resources, 403 if only quotas are exceeded.
    """
    before = list(cluster.nodegroups.values())
    old = cluster.nodegroups.get(grown.uuid, replace(grown, node_count=0))
    highest = deps.settings.max_nodes_per_cluster
    if sum(group.node_count for group in before if group.uuid != grown.uuid) + grown.node_count > highest:
        raise bad_request(f"A cluster may have at most {highest} nodes.")
    # Quotas and names belong to the caller's project; those of an administrator of another project do not apply.
    found: Found | None = None
    problems: list[Problem] = []
    if context.project_id == cluster.spec.project_id:
        cloud = deps.clouds.for_token(context.token, context.project_id)
        found = await fetch_growth(cloud, grown.flavor_id, grown.image_id)
        boots = boots_from_volume(grown.labels, cluster.spec.labels)
        problems += flavor_problems([grown.flavor_id], found, boots)
        problems += image_problems(grown.image_id, found)
    is_new = not grown.hardware
    if is_new:
        grown, unfit = _on_its_axes(cluster, grown, found)
        problems += unfit
    if grown.hardware:
        # Existing nodegroups may have been accepted by an earlier version; that does not permit another one like them.
        known = checks.problems(cluster.engine, cluster.spec, [] if is_new else before)
        now = checks.problems(cluster.engine, cluster.spec, _with(before, grown))
        if is_new:
            others = checks.problems(cluster.engine, cluster.spec, before)
            own = checks.problems(cluster.engine, cluster.spec, [grown])
            now = [text for text in now if text in own or text not in others]
        problems = [*(Problem(400, text) for text in now if text not in known), *problems]
    if found is not None:
        added = grown.node_count - old.node_count
        needed = {} if problems else _added(cluster, before, _with(before, grown), added, grown, found)
        await note_exceeded_quotas(deps, context.project_id, needed, found.quotas)
        problems += judge_quotas(needed, found.quotas)
    if problems:
        raise refusal(problems)
    return replace(grown, image_id=found.image.id) if found and found.image else grown


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
