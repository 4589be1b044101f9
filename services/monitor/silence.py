"""Finds nodes whose agents are silent, so that what they said last does not count any longer.

Rule: a node is silent when its last recorded report is older than three heartbeats. One indexed query finds only those
that have just become so; while all report, nothing is written. Nova is asked what happened to their servers.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy import select, update

from shared.db.engine import Database
from shared.db.models import Node
from shared.domain.clock import utc_now
from shared.domain.states import NodeState
from shared.operations.attention import ask_for_look, ask_for_measure
from shared.operations.locks import lock_cluster
from shared.operations.reports import SILENT_AFTER

log = structlog.get_logger(__name__)
_BATCH = 500


async def watch_silence(database: Database, heartbeat_seconds: float) -> None:
    """Check four times per heartbeat until cancelled."""
    while True:
        try:
            await mark_silent(database, heartbeat_seconds)
        except Exception as error:
            log.warning("silence.later", error=str(error))
        await asyncio.sleep(min(15.0, heartbeat_seconds / 4))


async def mark_silent(database: Database, heartbeat_seconds: float) -> int:
    """Mark the nodes that have become silent, at most a batch; returns their number."""
    before = utc_now() - timedelta(seconds=SILENT_AFTER * heartbeat_seconds)
    condition = (Node.state == NodeState.JOINED, Node.silent.is_(False), Node.last_report_at < before)
    async with database.transaction() as session:
        rows = await session.execute(
            select(Node.uuid, Node.cluster_id).where(*condition).order_by(Node.last_report_at).limit(_BATCH)
        )
        by_cluster: dict[str, list[str]] = {}
        for uuid, cluster_id in rows:
            by_cluster.setdefault(cluster_id, []).append(uuid)
    marked = 0
    for cluster_id, uuids in by_cluster.items():
        async with database.transaction() as session:
            await lock_cluster(session, cluster_id)
            # Checked again under the lock: a report may have come in the meantime.
            found = await session.scalars(
                update(Node).where(Node.uuid.in_(uuids), *condition).values(silent=True).returning(Node.uuid)
            )
            marked += len(silent := found.all())
            if silent:
                await ask_for_look(session, cluster_id)
                await ask_for_measure(session, cluster_id)
    return marked
