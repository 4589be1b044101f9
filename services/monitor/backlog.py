"""Measures what waits in the database: operations that are due, events that are not published, dead letters."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import text

from shared.db.engine import Database
from shared.telemetry.metrics import (
    DEAD_LETTERS,
    EVENTS_UNPUBLISHED,
    EVENTS_UNPUBLISHED_AGE,
    OPERATIONS_DUE,
    OPERATIONS_DUE_AGE,
)

log = structlog.get_logger(__name__)
LOOK_SECONDS = 15.0

# The partial indexes of the runner and of the relay serve the first two.
_BACKLOG = text("""
SELECT due.*, unpublished.*, (SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL) AS dead
FROM (
    SELECT count(*) AS due, coalesce(extract(epoch FROM now() - min(since)), 0) AS due_age
    FROM (
        SELECT next_attempt_at AS since FROM operations
        WHERE state IN ('queued', 'waiting') AND next_attempt_at <= now()
        UNION ALL
        SELECT lease_until FROM operations WHERE state = 'running' AND lease_until <= now()
    ) left_alone
) due, (
    SELECT count(*) AS events, coalesce(extract(epoch FROM now() - min(time)), 0) AS events_age
    FROM events WHERE published_at IS NULL
) unpublished
""")


async def watch_backlog(database: Database) -> None:
    """Measure every `LOOK_SECONDS` until cancelled."""
    while True:
        try:
            await measure(database)
        except Exception as error:
            log.warning("backlog.later", error=str(error))
        await asyncio.sleep(LOOK_SECONDS)


async def measure(database: Database) -> None:
    """Set the metrics once."""
    async with database.transaction() as session:
        row = (await session.execute(_BACKLOG)).one()
    OPERATIONS_DUE.set(row.due)
    OPERATIONS_DUE_AGE.set(float(row.due_age))
    EVENTS_UNPUBLISHED.set(row.events)
    EVENTS_UNPUBLISHED_AGE.set(float(row.events_age))
    DEAD_LETTERS.set(row.dead)
