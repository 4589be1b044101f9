"""Whether a cluster can have more nodes: its driver's limits, the cloud's things and quotas.

Rule: what would fail half an hour later is refused now, with everything that is wrong in one error. Only what the
growth adds is judged; a cluster that is there is not refused for what it already is.
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
from shared.operations.cluster_state import ClusterState


async def check_growth(deps: Deps, context: RequestContext, cluster: ClusterState, grown: NodegroupSpec) -> str:
    """Refuse a nodegroup as `grown` says it shall be, when that cannot be.

    Args:
        grown: one of the cluster's nodegroups with more nodes, or a new one.

    Returns:
        The id of its image.

    Raises:
        ApiError: 400 for what does not exist or does not fit, 403 for quotas alone.
    """
    before = list(cluster.nodegroups.values())
    old = cluster.nodegroups.get(grown.uuid, replace(grown, node_count=0))
    after = [*(group for group in before if group.uuid != grown.uuid), grown]
    highest = deps.settings.max_nodes_per_cluster
    if sum(group.node_count for group in after) > highest:
        raise bad_request(f"A cluster may have at most {highest} nodes.")
    known = checks.problems(cluster.engine, cluster.spec, before)
    found_now = checks.problems(cluster.engine, cluster.spec, after)
    problems = [Problem(400, text) for text in found_now if text not in known]
    image = grown.image_id
    # Quotas and names are the caller's project's; an administrator elsewhere could only ask about the wrong ones.
    if context.project_id == cluster.spec.project_id:
        cloud = deps.clouds.for_token(context.token, context.project_id)
        found = await fetch_growth(cloud, grown.flavor_id, grown.image_id)
        problems += flavor_problems([grown.flavor_id], found, boots_from_volume(grown.labels, cluster.spec.labels))
        problems += image_problems(grown.image_id, found)
        needed = {} if problems else _added(cluster, before, after, grown.node_count - old.node_count, grown, found)
        await note_exceeded_quotas(deps, context.project_id, needed, found.quotas)
        problems += judge_quotas(needed, found.quotas)
        image = found.image.id if found.image else image
    if problems:
        raise refusal(problems)
    return image


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
