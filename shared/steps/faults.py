"""What a failed operation tells of its parts.

Rule: a reason stands with the thing that failed: a node keeps its own, its nodegroup shows the first few.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Node, Nodegroup
from shared.domain.states import NodeState


async def record_nodegroup_faults(session: AsyncSession, cluster: Cluster) -> dict[str, str]:
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
