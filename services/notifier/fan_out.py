"""Makes a delivery of each event for each webhook that receives it.

Rule: the event log is read in the order of positions (`shared.events.numbering`), from a position that is stored in the
transaction that inserts the deliveries. Messages and notifications only wake it. The insert is keyed by webhook and
event, so reading a part of the log again changes nothing. One process at a time reads. The IDs of deliveries follow the
log, and therefore the numbers of a cluster's events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import Database
from shared.events.numbering import number_events
from shared.events.reader import Cursor, position_of
from shared.telemetry import crashpoints
from shared.webhooks.statements import RECEIVES, make_due

log = structlog.get_logger(__name__)

BATCH = 1000

# Without a lock, which would be a write: an idle service writes nothing.
_IS_BEHIND = text(
    "SELECT c.position IS NULL OR EXISTS (SELECT 1 FROM events e WHERE e.position > c.position) FROM webhook_cursor c"
)
_CURSOR = text("SELECT position, position_tx, position_seq FROM webhook_cursor FOR UPDATE SKIP LOCKED")
_WINDOW = text("""
SELECT count(*) AS number, max(position) AS last
FROM (SELECT position FROM events WHERE position > :after ORDER BY position LIMIT :limit) read
""")
_INSERT = text(f"""
WITH made AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, event_type, cluster_id)
    SELECT w.uuid, e.id, e.type, e.cluster_id
    FROM events e JOIN webhooks w ON {RECEIVES} AND (w.enabled OR w.disabled_reason IS NULL)
    WHERE e.position > :after AND e.position <= :last
    ORDER BY e.position
    ON CONFLICT (webhook_id, event_id) DO NOTHING
    RETURNING webhook_id
)
SELECT DISTINCT webhook_id FROM made
""")  # noqa: S608 - constants
_ADVANCE = text("UPDATE webhook_cursor SET position = :position")


class FanOut:
    """Args:
    database: contains the event log and the webhooks.
    poll_seconds: longest delay of an event when no notification arrives.
    """

    def __init__(self, database: Database, *, poll_seconds: float, batch: int = BATCH) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._batch = batch
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Read the log until cancelled. Errors of the database delay deliveries but never lose them."""
        while True:
            self._woken.clear()
            try:
                number = await self.read_batch()
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("fan_out.delayed", error=str(error).splitlines()[0] if str(error) else repr(error))
                number = 0
            if number:
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._woken.wait()

    async def read_batch(self) -> int:
        """Make the deliveries of the next events. Returns how many events were read; 0 if another process reads."""
        await number_events(self._database)
        async with self._database.transaction() as session:
            number = await self._read(session)
            await crashpoints.reached("notifier.fanned_out")
        return number

    async def _read(self, session: AsyncSession) -> int:
        if not await session.scalar(_IS_BEHIND):
            return 0
        cursor = (await session.execute(_CURSOR)).one_or_none()
        if cursor is None:
            return 0
        after = cursor.position if cursor.position is not None else await self._translated(session, cursor)
        window = (await session.execute(_WINDOW, {"after": after, "limit": self._batch})).one()
        last = after if window.last is None else window.last
        webhooks = (await session.scalars(_INSERT, {"after": after, "last": last})).all()
        if webhooks:
            await make_due(session, list(webhooks))
        await session.execute(_ADVANCE, {"position": last})
        return int(window.number)

    async def _translated(self, session: AsyncSession, cursor: Row[Any]) -> int:
        """The position at which the version before stopped reading."""
        connection = await session.connection()

        async def fetch(sql: str, *arguments: Any) -> Sequence[Mapping[str, Any]]:
            rows = (await connection.exec_driver_sql(sql, arguments)).mappings()
            return [dict(row) for row in rows]

        return await position_of(fetch, Cursor(cursor.position_tx, cursor.position_seq))
