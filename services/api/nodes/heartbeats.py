"""Heartbeats that say nothing new: their times are written together.

Rule: they need no lock and no transaction of their own. One statement every few seconds moves `last_report_at` of all
nodes that were heard. A row that another transaction holds is left out, so that nothing can deadlock: the next
heartbeat of its node is recorded. So is what is lost when a process is killed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from sqlalchemy import text

from shared.db.engine import Database

WRITE_EVERY = 2.0
_MOST = 5000

log = structlog.get_logger(__name__)

_TOUCH = text("""
UPDATE nodes SET last_report_at = now() WHERE uuid IN (
    SELECT uuid FROM nodes WHERE uuid = ANY(:uuids) AND state <> 'removing' ORDER BY uuid FOR UPDATE SKIP LOCKED)
""")


class QuietHeartbeats:
    """Args:
    database: holds the nodes.
    heartbeat_seconds: the interval of the agents' heartbeats.
    """

    def __init__(self, database: Database, heartbeat_seconds: float) -> None:
        self._database = database
        # A report must be recorded well before its node is taken for silent.
        self._pause = min(WRITE_EVERY, heartbeat_seconds / 4)
        self._heard: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, node_id: str) -> None:
        """A node was heard now."""
        self._heard.add(node_id)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="quiet-heartbeats")

    async def stop(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        with suppress(Exception):
            async with asyncio.timeout(3):
                await self.write()

    async def write(self) -> None:
        """Write what was heard; it is kept if the database is away."""
        uuids = sorted(self._heard)[:_MOST]
        if not uuids:
            return
        async with self._database.transaction() as session:
            await session.execute(_TOUCH, {"uuids": uuids})
        self._heard.difference_update(uuids)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            try:
                await self.write()
            except Exception as error:
                log.warning("heartbeats.later", error=str(error))
