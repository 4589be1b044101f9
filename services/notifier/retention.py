"""Deletes deliveries that are older than the retention time, with their attempts, and secrets whose overlap has ended.

Rule: rows are deleted in small transactions. A delivery that is still waiting is deleted too: its webhook was paused
for longer than deliveries are kept.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import text

from shared.db.engine import Database
from shared.telemetry.metrics import PRUNED

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 600.0
_BATCH = 2000
_MOST_BATCHES = 500

_DELETE = text("""
WITH old AS (
    SELECT id FROM webhook_deliveries WHERE created_at < now() - make_interval(secs => :seconds)
    ORDER BY created_at LIMIT :batch FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM webhook_deliveries d USING old WHERE d.id = old.id RETURNING d.id
)
SELECT count(*) FROM gone
""")
_OLD_SECRETS = text("""
UPDATE webhooks SET old_secret = NULL, old_secret_until = NULL WHERE old_secret_until < now()
""")


async def sweep_regularly(database: Database, days: float) -> None:
    """Delete every `SWEEP_SECONDS` until cancelled."""
    while True:
        try:
            await sweep(database, days)
        except Exception as error:
            log.warning("webhooks.sweep_later", error=str(error))
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep(database: Database, days: float) -> int:
    """Delete what is older than `days`. Returns the number of deliveries."""
    deleted = 0
    async with database.transaction() as session:
        await session.execute(_OLD_SECRETS)
    for _ in range(_MOST_BATCHES):
        async with database.transaction() as session:
            number = await session.scalar(_DELETE, {"seconds": days * 86400, "batch": _BATCH})
        deleted += int(number or 0)
        PRUNED.labels("webhook_deliveries").inc(int(number or 0))
        if number != _BATCH:
            break
    return deleted
