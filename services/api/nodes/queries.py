"""A node's row with the rows it belongs to."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.wire.errors import not_found
from shared.db.models import Cluster, Node, Nodegroup


async def node_with_owners(session: AsyncSession, node_id: str) -> tuple[Node, Nodegroup, Cluster]:
    """A node, its nodegroup and its cluster. Raises ApiError (404)."""
    found = await session.execute(
        select(Node, Nodegroup, Cluster)
        .join(Nodegroup, Nodegroup.uuid == Node.nodegroup_id)
        .join(Cluster, Cluster.uuid == Node.cluster_id)
        .where(Node.uuid == node_id)
    )
    row = found.one_or_none()
    if row is None:
        raise not_found("Node", node_id)
    node, nodegroup, cluster = row
    return node, nodegroup, cluster
