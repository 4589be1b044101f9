"""The reasons that a failed operation records for nodes and nodegroups.

Rule: a reason is kept with the thing that failed: a node keeps its own, its nodegroup shows the first few.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Node, Nodegroup, Operation
from shared.domain.states import NodeState


async def record_nodegroup_faults(session: AsyncSession, cluster: Cluster, operation: Operation) -> dict[str, str]:
    """The reason of each nodegroup concerned from its failed nodes; the event carries every node's own."""
    failed = select(Node.name, Node.reason, Node.nodegroup_id).where(
        Node.cluster_id == cluster.uuid, Node.state == NodeState.FAILED
    )
    if operation.nodegroup_ids is not None:
        failed = failed.where(Node.nodegroup_id.in_(operation.nodegroup_ids))
    rows = await session.execute(failed)
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
