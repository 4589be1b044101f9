"""Publishes committed events to the bus.

Rule: nothing else publishes. The relay runs as a background task in every service: it numbers committed events
(`shared.events.numbering`), claims numbered ones (SKIP LOCKED, lease token), whose rows no other process updates,
publishes them with confirms, and marks those as published whose token is still its own. After a crash between
publishing and marking, an event is published twice with the same ID. NOTIFY wakes the relay; polling makes sure that a
lost notification does not matter.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg
import structlog

from shared.bus.contract import Bus, Unroutable
from shared.db.away import is_away
from shared.db.engine import Database
from shared.domain.errors import TemporaryError
from shared.domain.ids import new_id
from shared.events.envelope import to_message
from shared.events.numbering import number_on
from shared.events.publishing import publishing
from shared.telemetry import crashpoints
from shared.telemetry.metrics import EVENTS_PUBLISHED, RELAY_FAILURES, RELAY_LAG

log = structlog.get_logger(__name__)

_CLAIM = """
WITH ready AS (
    SELECT seq FROM events
    WHERE published_at IS NULL AND position IS NOT NULL AND (lease_until IS NULL OR lease_until < now())
    ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE events SET lease_token = $1, lease_until = now() + make_interval(secs => $3),
    publish_attempts = publish_attempts + 1
FROM ready WHERE events.seq = ready.seq
RETURNING events.seq, id, type, subject, project_id, cluster_id, operation_id, sequence, data::text, trace, time,
    extract(epoch FROM now() - time)::float8 AS lag
"""

_MARK = """
UPDATE events SET published_at = now(), lease_token = NULL, lease_until = NULL
WHERE seq = ANY($2::bigint[]) AND lease_token = $1
"""

_RELEASE = "UPDATE events SET lease_token = NULL, lease_until = NULL WHERE lease_token = $1"

# A message that no queue accepted stays leased for this long and is then retried.
_LEASE_SECONDS = 30.0


class Relay:
    """Args:
    database: contains the event log.
    bus: receives the events.
    batch: rows claimed at once; `poll_seconds`: longest delay of an event when no notification arrives.
    """

    def __init__(self, database: Database, bus: Bus, *, batch: int = 200, poll_seconds: float = 1.0) -> None:
        self._database = database
        self._bus = bus
        self._batch = batch
        self._poll_seconds = poll_seconds
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled. Errors of the bus or the database delay events but never lose them."""
        connection: asyncpg.Connection | None = None
        pause = 0.0
        try:
            while True:
                self._woken.clear()
                try:
                    if connection is None or connection.is_closed():
                        connection = await self._database.connect()
                    while await self._relay_batch(connection) == self._batch:
                        pass
                    pause = 0.0
                except Exception as error:  # events wait for it, and nothing else publishes them
                    known = isinstance(error, TemporaryError) or is_away(error)
                    text = str(error) or type(error).__name__
                    RELAY_FAILURES.labels("delayed").inc()
                    log.warning("relay.delayed", error=text, exc_info=None if known else error)
                    if connection is not None:
                        connection.terminate()
                        connection = None
                    pause = min(5.0, pause * 2 + 0.2)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause or self._poll_seconds):
                        await (asyncio.sleep(pause) if pause else self._woken.wait())
        finally:
            if connection is not None:
                with suppress(Exception):
                    await connection.close(timeout=2)

    async def flush(self) -> int:
        """Publish all pending events (at shutdown, and in tests). Returns the number of events published."""
        connection = await self._database.connect()
        sent = 0
        try:
            while count := await self._relay_batch(connection):
                sent += count
        finally:
            await connection.close(timeout=2)
        return sent

    async def _relay_batch(self, connection: asyncpg.Connection) -> int:
        token = new_id()
        await number_on(connection)
        rows = sorted(
            await connection.fetch(_CLAIM, token, self._batch, _LEASE_SECONDS), key=lambda row: int(row["seq"])
        )
        if not rows:
            return 0
        try:
            with publishing([to_message(row) for row in rows]) as messages:
                outcomes = await self._bus.publish(messages)
        except TemporaryError:
            # Without the release, no relay could publish the rows before the lease expires.
            await connection.execute(_RELEASE, token)
            raise
        await crashpoints.reached("relay.published")
        sent = [row["seq"] for row, outcome in zip(rows, outcomes, strict=True) if outcome is None]
        await connection.execute(_MARK, token, sent)
        EVENTS_PUBLISHED.inc(len(sent))
        RELAY_LAG.observe(max(row["lag"] for row in rows))
        for row, outcome in zip(rows, outcomes, strict=True):
            if isinstance(outcome, Unroutable):
                RELAY_FAILURES.labels("unroutable").inc()
                log.error("relay.unroutable", event_id=row["id"], type=row["type"])
            elif outcome is not None:
                RELAY_FAILURES.labels("refused").inc()
                log.warning("relay.refused", event_id=row["id"], type=row["type"], error=str(outcome))
        return len(sent)
