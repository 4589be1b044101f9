"""Makes a delivery of each event for each webhook that receives it.

Rule: the event log is read in the order in which transactions are complete (`shared.events.reader`), from a position
that is stored in the transaction that inserts the deliveries. Messages and notifications only wake it. The insert is
keyed by webhook and event, so reading a part of the log again changes nothing. One process at a time reads.
Deliveries are inserted so that their IDs follow the numbers of a cluster's events.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import Database
from shared.telemetry import crashpoints
from shared.webhooks.statements import POSITION, RECEIVES, make_due

log = structlog.get_logger(__name__)

BATCH = 1000
# A notification can arrive while an older transaction still hides the event; then it is looked for again soon.
_LOOK_AGAIN = (0.01, 0.03, 0.1, 0.3)

# Without a lock, which would be a write: an idle service writes nothing.
_IS_BEHIND = text("""
SELECT EXISTS (SELECT 1 FROM events e
               WHERE (e.tx, e.seq) > (c.position_tx::text::xid8, c.position_seq)
                 AND e.tx < pg_snapshot_xmin(pg_current_snapshot()))
    OR c.position_tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM webhook_cursor c
""")
_CURSOR = text("SELECT position_tx, position_seq FROM webhook_cursor FOR UPDATE SKIP LOCKED")
# A position beyond all transactions comes from another server, of which this database is a copy.
_AHEAD = text("SELECT CAST(:tx AS bigint) >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
_WINDOW = text("""
SELECT count(*) AS number, (array_agg(tx ORDER BY tx DESC, seq DESC))[1]::text::bigint AS tx,
    (array_agg(seq ORDER BY tx DESC, seq DESC))[1] AS seq
FROM (SELECT tx, seq FROM events
      WHERE (tx, seq) > ((:tx)::text::xid8, :seq) AND tx < pg_snapshot_xmin(pg_current_snapshot())
      ORDER BY tx, seq LIMIT :limit) read
""")
# `part` is what this batch reads. If the batch is full, events of the same clusters that have lower numbers and are
# beyond its end are taken with it; when the log is read up to them, they conflict and are skipped.
_INSERT = text(f"""
WITH part AS MATERIALIZED (
    SELECT id, type, project_id, cluster_id, sequence, subject, time, tx, seq FROM events
    WHERE (tx, seq) > ((:tx)::text::xid8, :seq) AND (tx, seq) <= ((:last_tx)::text::xid8, :last_seq)
), early AS (
    SELECT e.id, e.type, e.project_id, e.cluster_id, e.sequence, e.subject, e.time, e.tx, e.seq
    FROM (SELECT cluster_id, max(sequence) AS highest FROM part WHERE cluster_id IS NOT NULL GROUP BY 1) c
    JOIN events e ON e.cluster_id = c.cluster_id AND e.sequence < c.highest
    WHERE :is_full AND (e.tx, e.seq) > ((:last_tx)::text::xid8, :last_seq)
), read AS (
    SELECT *, row_number() OVER (ORDER BY tx, seq) AS place
    FROM (SELECT * FROM part UNION ALL SELECT * FROM early) taken
), placed AS (
    SELECT *, {POSITION} AS position FROM read
), made AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, event_type, cluster_id)
    SELECT w.uuid, e.id, e.type, e.cluster_id
    FROM placed e JOIN webhooks w ON {RECEIVES} AND (w.enabled OR w.disabled_reason IS NULL)
    ORDER BY e.position, e.sequence
    ON CONFLICT (webhook_id, event_id) DO NOTHING
    RETURNING webhook_id
)
SELECT DISTINCT webhook_id FROM made
""")  # noqa: S608 - constants
_ADVANCE = text("UPDATE webhook_cursor SET position_tx = :tx, position_seq = :seq")


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
        again = len(_LOOK_AGAIN)
        while True:
            woken = self._woken.is_set()
            self._woken.clear()
            again = 0 if woken else again
            try:
                number = await self.read_batch()
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("fan_out.delayed", error=str(error).splitlines()[0] if str(error) else repr(error))
                number = 0
            if number:
                again = len(_LOOK_AGAIN)
                continue
            pause = _LOOK_AGAIN[again] if again < len(_LOOK_AGAIN) else self._poll_seconds
            again += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def read_batch(self) -> int:
        """Make the deliveries of the next events. Returns how many events were read; 0 if another process reads."""
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
        tx, seq = cursor
        if await session.scalar(_AHEAD, {"tx": tx}):
            log.warning("fan_out.restarted", position=f"{tx}-{seq}")
            tx, seq = 0, 0
        start = {"tx": str(tx), "seq": seq}
        window = (await session.execute(_WINDOW, {**start, "limit": self._batch})).one()
        if not window.number:
            return 0
        found = await session.scalars(
            _INSERT,
            {
                **start,
                "last_tx": str(window.tx),
                "last_seq": window.seq,
                "is_full": window.number == self._batch,
            },
        )
        webhooks = found.all()
        if webhooks:
            await make_due(session, list(webhooks))
        await session.execute(_ADVANCE, {"tx": window.tx, "seq": window.seq})
        return int(window.number)
