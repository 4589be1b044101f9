"""The order of locks: a cluster's row first, then its operation or its nodes.

Rule: code that writes both, or emits an event about a cluster (its counter is in the row), locks the cluster first, so
that requests, runners and agents wait for each other and never deadlock.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster


async def lock_cluster(session: AsyncSession, cluster_id: str) -> Cluster | None:
    """The cluster as it is now, locked until the transaction ends; None when it is gone.

    The lock does not cover the key, so rows that refer to the cluster can be inserted in the meantime.
    """
    found = await session.execute(
        select(Cluster)
        .where(Cluster.uuid == cluster_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found.scalar_one_or_none()
