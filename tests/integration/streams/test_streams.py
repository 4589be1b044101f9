"""Event streams: from the log to the hub without a gap, slow clients, heartbeats, one reader for all."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from sqlalchemy import text

from services.api.events import stream as stream_module
from services.api.events.access import LogAccess
from shared.db.engine import Database
from shared.domain.states import NodeState
from shared.events.catalog import NodeChanged
from shared.events.log import emit
from shared.events.reader import LoggedEvent, Selection
from tests.support.memory_api import MemoryApi
from tests.support.streams import Emit, StreamClient


async def test_history_then_live(api: MemoryApi, emitted: Emit) -> None:
    await emitted("a", "b")
    client = StreamClient(api.deps, Selection(project_id="p1"))
    async with client.connected():
        await client.until(2)
        await emitted("other", project="p2")
        await emitted("c")
        await client.until(3)
    assert client.names == ["a", "b", "c"]
    resumed = StreamClient(api.deps, Selection(project_id="p1"), last_id=client.events[0]["cursor"])
    async with resumed.connected():
        await resumed.until(2)
    assert resumed.names == ["b", "c"]


@pytest.mark.parametrize("seed", range(5))
async def test_no_event_is_skipped_or_repeated(
    api: MemoryApi, database: Database, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Writers commit in any order and roll back; clients join, stall, are cut, break off and resume at any time."""
    chance = random.Random(seed)
    monkeypatch.setattr(stream_module, "PAGE", chance.randint(1, 5))
    history = LogAccess.history

    async def late(self: LogAccess, *args: Any, **options: Any) -> list[LoggedEvent]:
        """Others write and read between the query and what follows it."""
        events = await history(self, *args, **options)
        await asyncio.sleep(chance.choice([0, chance.random() / 20]))
        return events

    monkeypatch.setattr(LogAccess, "history", late)
    done = asyncio.Event()

    async def write(writer: int) -> None:
        for number in range(30):
            data = NodeChanged(
                node_id="n", name=f"{writer}-{number}", nodegroup="g", role="worker", state=NodeState.JOINED
            )
            async with database.transaction() as session:
                await emit(session, "node.joined.v1", data, project_id=chance.choice(["p1", "p2"]))
                await session.flush()
                await asyncio.sleep(chance.random() / 50)
                if chance.random() < 0.1:
                    await session.rollback()

    async def follow(client: StreamClient) -> None:
        while not done.is_set():
            async with client.connected() as task:
                if chance.random() < 0.3:
                    client.flowing.clear()
                await asyncio.wait([task], timeout=chance.random() / 4)
                client.flowing.set()
        async with client.connected():
            await client.until(len(await log_of(client)))

    async def log_of(client: StreamClient) -> list[str]:
        project = client._selection.project_id
        await api.deps.event_log.settle()
        return await api.sql(
            "SELECT data->>'name' FROM events WHERE cast(:p AS text) IS NULL OR project_id = :p ORDER BY position",
            p=project,
        )

    clients = [StreamClient(api.deps, Selection(project_id=project)) for project in ("p1", "p2", None, "p1", None)]
    following = [asyncio.create_task(follow(client)) for client in clients]
    await asyncio.gather(*(write(writer) for writer in range(3)))
    done.set()
    await asyncio.gather(*following)
    for client in clients:
        assert client.names == await log_of(client)


async def test_a_client_that_takes_nothing_is_cut_and_resumes(api: MemoryApi, emitted: Emit) -> None:
    slow = StreamClient(api.deps)
    quick = StreamClient(api.deps)
    names = [f"n{number}" for number in range(60)]
    async with slow.connected() as reading, quick.connected():
        await emitted(names[0])
        await slow.until(1)
        slow.flowing.clear()
        await emitted(*names[1:])
        async with asyncio.timeout(10):
            await reading
        await quick.until(60)
    assert slow.names == names[:1]
    slow.flowing.set()
    async with slow.connected():
        await slow.until(60)
    assert slow.names == quick.names == names


async def test_a_queue_is_bounded(api: MemoryApi, emitted: Emit) -> None:
    subscription = api.deps.hub.subscription(Selection())
    api.deps.hub.join(subscription)
    while subscription.start is None:
        await subscription.changes(1)
    await emitted(*(str(number) for number in range(50)))
    async with asyncio.timeout(10):
        while not subscription.ended:
            await asyncio.sleep(0.01)
    assert len(subscription.take()) == 20
    api.deps.hub.leave(subscription)


async def test_a_quiet_stream_says_how_far_it_has_read(api: MemoryApi, emitted: Emit) -> None:
    """Events of others move the cursor of a filtered stream, so that it stays within what is kept."""
    client = StreamClient(api.deps, Selection(project_id="p1"))
    async with client.connected():
        await emitted("x", "y", project="p2")
        async with asyncio.timeout(10):
            while client.last_id != "0-2":
                await asyncio.sleep(0.05)
    assert (client.events, client.bookmarks > 0) == ([], True)


async def test_one_query_feeds_all_streams(api: MemoryApi, emitted: Emit, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = [StreamClient(api.deps) for _ in range(50)]
    running = [asyncio.create_task(client.read()) for client in clients]
    await emitted("a")
    await asyncio.gather(*(client.until(1) for client in clients))
    asked = 0
    rows = api.deps.event_log.reader.rows

    async def counted(sql: str, *args: object) -> list[object]:
        nonlocal asked
        asked += "FROM events WHERE position >" in sql
        return await rows(sql, *args)  # type: ignore[return-value]

    monkeypatch.setattr(api.deps.event_log.reader, "rows", counted)
    await emitted("b")
    await asyncio.gather(*(client.until(2) for client in clients))
    # The one reader also polls while it waits; fifty readers would ask fifty times at least.
    assert 1 <= asked <= 20
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_streams_survive_the_database(api: MemoryApi, emitted: Emit, database: Database) -> None:
    """A reader that is cut off reads later what it missed."""
    client = StreamClient(api.deps)
    async with client.connected():
        await emitted("a")
        await client.until(1)
        async with database.transaction() as session:
            await session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND application_name = 'jeroboam-api-reader'"
                )
            )
        await emitted("b")
        await client.until(2)
    assert client.names == ["a", "b"]


async def test_streams_end_when_the_process_stops(api: MemoryApi, emitted: Emit) -> None:
    client = StreamClient(api.deps)
    async with client.connected() as reading:
        await emitted("a")
        await client.until(1)
        api.deps.close_waiters()
        async with asyncio.timeout(5):
            await reading
    assert api.deps.hub._all() == []
