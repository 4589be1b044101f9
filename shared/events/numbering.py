"""Gives committed events their positions in the log.

Rule: an event is inserted without a position, so that writers do not wait for each other. Whoever reads the log first
numbers what was committed: it locks the counter, takes a new snapshot, and numbers all events that it sees in one
transaction. Positions therefore have no gaps, and once a position can be read, no lower one can appear. Neither depends
on transaction IDs, so positions survive a restore into another server, and no transaction elsewhere delays them.
The counter is locked within one statement, which the server completes and commits whatever becomes of the process that
sent it: a process that is suspended cannot keep the others from numbering.
The events of a cluster keep the order of their numbers: the cluster's row is locked from before the insert until the
commit, so `seq` follows these numbers.
"""

from __future__ import annotations

import asyncpg

from shared.db.engine import Database

BATCH = 1000
# Bounds the time that one reader numbers for others while writers continue.
_MOST_BATCHES = 10_000

# Without a lock, which would be a write: an idle process writes nothing.
IS_BEHIND = "SELECT EXISTS (SELECT 1 FROM events WHERE position IS NULL)"
# The update is a statement of its own after the lock: its snapshot contains what the holder before committed.
_NUMBER = f"""
DO $$
DECLARE
    numbered bigint;
BEGIN
    FOR batch IN 1..{_MOST_BATCHES} LOOP
        PERFORM last_position FROM event_counter FOR UPDATE;
        WITH fresh AS MATERIALIZED (
            SELECT seq, row_number() OVER (ORDER BY seq) AS place
            FROM (SELECT seq FROM events WHERE position IS NULL ORDER BY seq LIMIT {BATCH}) unnumbered
        )
        UPDATE events e SET position = c.last_position + f.place FROM fresh f, event_counter c WHERE e.seq = f.seq;
        GET DIAGNOSTICS numbered = ROW_COUNT;
        UPDATE event_counter SET last_position = last_position + numbered;
        COMMIT;
        EXIT WHEN numbered < {BATCH};
    END LOOP;
END $$
"""  # noqa: S608 - a constant


async def number_events(database: Database) -> None:
    """Number all events that were committed before the call. Waits for a process that is numbering."""
    async with database.statements() as connection:
        if (await connection.exec_driver_sql(IS_BEHIND)).scalar():
            await connection.exec_driver_sql(_NUMBER)


async def number_on(connection: asyncpg.Connection) -> None:
    """`number_events` on a connection outside the pool, and outside a transaction."""
    if await connection.fetchval(IS_BEHIND):
        await connection.execute(_NUMBER)
