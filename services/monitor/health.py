"""Measures the health of clusters about which something changed.

Rule: only clusters whose `measure_at` has come are read. Several processes share the work: a row that one of them has
locked is left to it.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import func, select

from shared.db.engine import Database
from shared.db.models import Cluster
from shared.domain.clock import utc_now
from shared.operations.cluster_health import measure_health
from shared.settings import Settings

log = structlog.get_logger(__name__)
LOOK_SECONDS = 0.5
_BATCH = 100


async def watch_health(database: Database, settings: Settings) -> None:
    """Measure what is due until cancelled."""
    while True:
        measured = 0
        try:
            measured = await measure_due(database, settings)
        except Exception as error:
            log.warning("health.later", error=str(error))
        if measured < _BATCH:
            await asyncio.sleep(LOOK_SECONDS)


async def measure_due(database: Database, settings: Settings) -> int:
    """Measure the clusters that are due, at most a batch, each in its own transaction; returns their number."""
    async with database.transaction() as session:
        found = await session.scalars(
            select(Cluster.uuid).where(Cluster.measure_at <= func.now()).order_by(Cluster.measure_at).limit(_BATCH)
        )
        due = found.all()
    for uuid in due:
        async with database.transaction() as session:
            cluster = await session.scalar(
                select(Cluster)
                .where(Cluster.uuid == uuid, Cluster.measure_at <= func.now())
                .with_for_update(key_share=True, skip_locked=True)
            )
            if cluster is not None:
                await measure_health(session, cluster, settings, utc_now())
    return len(due)
