"""`POST /v1/clusters?dry_run=true`: what a create would create, and the problems it would have."""

from __future__ import annotations

import math
from typing import Any

from services.api.clusters.create import Prepared
from services.api.clusters.rows import default_nodegroups
from services.api.deps import Deps


def preview(deps: Deps, prepared: Prepared) -> dict[str, Any]:
    """Return the plan: stacks, nodes, quota lines and problems. Nothing is stored."""
    per_stack = deps.settings.nodes_per_stack
    counts = {group.name: group.node_count for group in default_nodegroups(prepared.values, prepared.driver)}
    stacks = [{"kind": "base", "nodegroup": None, "nodes": 0}]
    for name, count in counts.items():
        stacks += [
            {"kind": "shard", "nodegroup": name, "nodes": min(per_stack, count - shard * per_stack)}
            for shard in range(math.ceil(count / per_stack))
        ]
    return {
        "accepted": not prepared.problems,
        "name": prepared.values["name"],
        "cluster_template_id": prepared.template["uuid"],
        "driver": prepared.driver.name,
        "stacks": stacks,
        "nodes": counts,
        "quotas": _quota_lines(prepared),
        "problems": [problem.text for problem in prepared.problems],
    }


def _quota_lines(prepared: Prepared) -> list[dict[str, Any]]:
    lines = []
    for resource, needed in sorted(prepared.needed.items()):
        line = prepared.found.quotas.get(resource)
        lines.append(
            {
                "resource": resource,
                "needed": needed,
                "used": line.taken if line else None,
                "limit": line.limit if line else None,
                "enough": line is None or not line.short_of(needed),
            }
        )
    return lines
