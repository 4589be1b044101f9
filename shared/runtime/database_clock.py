"""Keeps the clock of a process at the database's time.

Rule: a slow answer is no measure of time; it is ignored, and the clock goes on as before.
"""

from __future__ import annotations

import asyncio
import time

import structlog
from sqlalchemy import text

from shared.db.engine import Database
from shared.domain.clock import follow

log = structlog.get_logger(__name__)
EVERY = 30.0  # seconds
SLOWEST = 1.0  # seconds
TOLD_FROM = 5.0  # seconds


async def follow_database(database: Database) -> float:
    """Ask the database for its time once, and follow it.

    Returns:
        Seconds by which this machine's clock is ahead; 0 if the answer was too slow to say.
    """
    async with database.transaction() as session:
        await session.execute(text("SELECT 1"))  # so that what is measured is no new connection
        asked = time.monotonic()
        now = await session.scalar(text("SELECT clock_timestamp()"))
        answered = time.monotonic()
    if now is None or answered - asked > SLOWEST:
        return 0.0
    return follow(now, asked, answered).total_seconds()


async def keep_following(database: Database) -> None:
    """Ask again and again; while the database is away, the clock goes on by itself."""
    told = False
    while True:
        await asyncio.sleep(EVERY)
        try:
            ahead = await follow_database(database)
        except Exception as error:
            log.debug("clock.not_asked", error=str(error))
            continue
        if abs(ahead) >= TOLD_FROM and not told:
            log.warning("clock.differs", seconds_ahead_of_database=round(ahead, 1))
        told = abs(ahead) >= TOLD_FROM
