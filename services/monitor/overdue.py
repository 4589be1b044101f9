"""Fails operations whose deadline passed while no worker was available.

Rule: every operation reaches a final state, even while all processes that could run it are down. An operation that a
worker holds is not touched: only one that has been due, or whose lease expired, more than `GRACE` ago is failed, with
that as its reason. It can be retried like any other.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy import select, text

from shared.db.engine import Database
from shared.db.models import Operation
from shared.domain.clock import utc_now
from shared.operations.locks import lock_cluster
from shared.operations.record import record_failed

log = structlog.get_logger(__name__)
LOOK_SECONDS = 30.0
GRACE = timedelta(minutes=2)

# Due and not taken, or taken by a process that is gone. The partial indexes of the runner serve this as well.
_OVERDUE = text("""
SELECT uuid, cluster_id FROM operations
WHERE (CAST(:uuid AS text) IS NULL OR uuid = :uuid) AND deadline_at < now() - CAST(:grace AS interval) AND (
    (state IN ('queued', 'waiting') AND next_attempt_at < now() - CAST(:grace AS interval))
    OR (state = 'running' AND lease_until < now() - CAST(:grace AS interval)))
ORDER BY deadline_at LIMIT 100
""")


async def watch(database: Database) -> None:
    """Check every `LOOK_SECONDS` until cancelled."""
    while True:
        try:
            await end_overdue(database)
        except Exception as error:
            log.warning("overdue.later", error=str(error))
        await asyncio.sleep(LOOK_SECONDS)


async def end_overdue(database: Database) -> int:
    """Fail every operation that no worker has run since its deadline; returns their number."""
    async with database.transaction() as session:
        found = (await session.execute(_OVERDUE, {"grace": GRACE, "uuid": None})).all()
    ended = 0
    for operation_id, cluster_id in found:
        ended += await _end(database, operation_id, cluster_id)
    return ended


async def _end(database: Database, operation_id: str, cluster_id: str) -> bool:
    async with database.transaction() as session:
        await lock_cluster(session, cluster_id)
        # Checked again under the lock: a worker may have claimed it in the meantime.
        still = (await session.execute(_OVERDUE, {"grace": GRACE, "uuid": operation_id})).first()
        operation = await session.scalar(select(Operation).where(Operation.uuid == operation_id).with_for_update())
        if still is None or operation is None:
            return False
        waited = f"; it was waiting: {operation.step_reason}" if operation.step_reason else ""
        reason = f"deadline passed, and no service was available to run the {operation.kind}{waited}"
        await record_failed(session, operation, None, reason, utc_now(), late=True)
    log.error("operation.overdue", operation=operation_id, cluster=cluster_id)
    return True
