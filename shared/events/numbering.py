"""Gives committed events their positions in the log.

Rule: an event is inserted without a position, so that writers do not wait for each other. Whoever reads the log first
numbers what was committed: it locks the counter, takes a new snapshot, and numbers all events that it sees in one
transaction. Positions therefore have no gaps, and once a position can be read, no lower one can appear. Neither depends
on transaction IDs, so positions survive a restore into another server, and no transaction elsewhere delays them.
The events of a cluster keep the order of their numbers: the cluster's row is locked from before the insert until the
commit, so `seq` follows these numbers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from shared.db.engine import Database

BATCH = 1000
# Bounds the time that one reader numbers for others while writers continue.
_MOST_BATCHES = 10_000

# Without a lock, which would be a write: an idle process writes nothing.
IS_BEHIND = "SELECT EXISTS (SELECT 1 FROM events WHERE position IS NULL)"
_LOCK = "SELECT last_position FROM event_counter FOR UPDATE"
# A statement of its own after the lock: its snapshot contains what the holder before committed.
_NUMBER = f"""
WITH fresh AS MATERIALIZED (
    SELECT seq, row_number() OVER (ORDER BY seq) AS place
    FROM (SELECT seq FROM events WHERE position IS NULL ORDER BY seq LIMIT {BATCH}) unnumbered
), numbered AS (
    UPDATE events e SET position = c.last_position + f.place FROM fresh f, event_counter c WHERE e.seq = f.seq
    RETURNING e.seq
)
UPDATE event_counter SET last_position = last_position + (SELECT count(*) FROM numbered)
RETURNING (SELECT count(*) FROM numbered)
"""  # noqa: S608 - a constant

_Run = Callable[[str], Awaitable[Any]]


async def number_events(database: Database) -> None:
    """Number all events that were committed before the call. Waits for a process that is numbering."""
    for _ in range(_MOST_BATCHES):
        async with database.transaction() as session:
            connection = await session.connection()

            async def run(sql: str) -> Any:
                return (await connection.exec_driver_sql(sql)).scalar()  # noqa: B023 - used at once

            if not await run(IS_BEHIND) or await _number_batch(run) < BATCH:
                return


async def number_on(connection: asyncpg.Connection) -> None:
    """`number_events` on a connection outside the pool."""
    for _ in range(_MOST_BATCHES):
        if not await connection.fetchval(IS_BEHIND):
            return
        async with connection.transaction():
            if await _number_batch(connection.fetchval) < BATCH:
                return


async def _number_batch(run: _Run) -> int:
    await run(_LOCK)
    return int(await run(_NUMBER))
