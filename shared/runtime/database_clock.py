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


async def follow_database(database: Database, *, told: bool = False) -> bool:
    """Ask the database for its time once, and follow it. A clock that differs is logged, unless that was `told`.

    Returns:
        Whether this machine's clock differs; `told` if the answer was too slow to say.
    """
    async with database.transaction() as session:
        await session.execute(text("SELECT 1"))  # so that what is measured is no new connection
        asked = time.monotonic()
        now = await session.scalar(text("SELECT clock_timestamp()"))
        answered = time.monotonic()
    if now is None or answered - asked > SLOWEST:
        return told
    ahead = follow(now, asked, answered).total_seconds()
    differs = abs(ahead) >= TOLD_FROM
    if differs and not told:
        log.warning("clock.differs", seconds_ahead_of_database=round(ahead, 1))
    return differs


async def keep_following(database: Database, *, told: bool) -> None:
    """Ask again and again; while the database is away, the clock goes on by itself."""
    while True:
        await asyncio.sleep(EVERY)
        try:
            told = await follow_database(database, told=told)
        except Exception as error:
            log.debug("clock.not_asked", error=str(error))
