"""What is old is deleted, but nothing that somebody still needs."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from sqlalchemy import CursorResult, text

from services.monitor.retention import Retention
from shared.db.engine import Database
from shared.events.reader import Cursor, Selection
from shared.limit_settings import RetentionSettings
from tests.support.memory_api import detail, memory_api

SETTINGS = RetentionSettings(batch=10, most_batches=4)


async def sql(database: Database, statement: str, **values: Any) -> list[Any]:
    async with database.transaction() as session:
        found = cast(CursorResult[Any], await session.execute(text(statement), values))
        return list(found.scalars()) if found.returns_rows else []


async def events(database: Database, number: int, *, first: int = 1, days: float = 31, project: str = "p1") -> None:
    """Numbered and published events; `first` is the position of the first."""
    await sql(
        database,
        "INSERT INTO events (id, type, subject, project_id, data, time, published_at, position) "
        "SELECT 'e' || n, 'node.joined.v1', 's', :project, '{}', now() - make_interval(secs => :seconds), now(), n "
        "FROM generate_series(cast(:first AS int), cast(:last AS int)) n",
        project=project,
        seconds=days * 86400,
        first=first,
        last=first + number - 1,
    )
    await sql(database, "UPDATE event_counter SET last_position = :last", last=first + number - 1)


async def positions(database: Database) -> list[int]:
    return await sql(database, "SELECT position FROM events ORDER BY position")


async def test_the_beginning_of_the_log_is_deleted_in_batches(database: Database) -> None:
    await events(database, 55)
    await events(database, 5, first=56, days=29)
    retention = Retention(database, SETTINGS)
    assert (await retention.prune())["events"] == 40  # bounded
    assert (await retention.prune())["events"] == 15
    assert await positions(database) == [56, 57, 58, 59, 60]
    assert (await retention.prune())["events"] == 0


@pytest.mark.parametrize(
    ("statement", "kept_from"),
    [
        ("UPDATE events SET published_at = NULL WHERE position = 7", 7),
        ("UPDATE events SET time = now() WHERE position = 4", 4),
        ("UPDATE webhook_cursor SET position = 5", 6),
        (
            "INSERT INTO webhook_deliveries (webhook_id, event_id, event_type) VALUES ('w', 'e3', 'node.joined.v1')",
            3,
        ),
    ],
)
async def test_what_is_needed_stays_with_all_after_it(database: Database, statement: str, kept_from: int) -> None:
    await events(database, 12)
    await sql(
        database,
        "INSERT INTO webhooks (uuid, project_id, user_id, name, url, secret) "
        "VALUES ('w', 'p1', 'u', 'w', 'https://a', '')",
    )
    await sql(database, "UPDATE webhook_cursor SET position = 12")
    await sql(database, statement)
    await Retention(database, SETTINGS).prune()
    assert await positions(database) == list(range(kept_from, 13))


async def test_without_webhooks_nobody_has_to_have_read_the_log(database: Database) -> None:
    await events(database, 12)
    await Retention(database, SETTINGS).prune()
    assert await positions(database) == []


async def test_a_cursor_before_the_log_is_told_where_to_begin(database: Database, database_url: str) -> None:
    await events(database, 12)
    await events(database, 3, first=13, days=1)
    async with memory_api(database, database_url) as api:
        assert (await api.client.get("/v1/events?after=0-5")).status_code == 200
        assert len(await api.deps.event_log.history(Selection(), after=5, upto=None, limit=5)) == 5
        await Retention(database, SETTINGS).prune()
        answer = await api.client.get("/v1/events?after=0-5")
        assert answer.status_code == 410
        assert answer.headers["x-jeroboam-cursor"] == "0-12"
        assert "continue with after=0-12" in detail(answer)
        # A stream that had read up to here does not skip what was deleted meanwhile.
        with pytest.raises(Exception, match="no longer valid"):
            await api.deps.event_log.history(Selection(), after=10, upto=None, limit=5)
        again = (await api.client.get(f"/v1/events?after={Cursor.at(12)}")).json()
        assert len(again["events"]) == 3


async def _operation(database: Database, uuid: str, cluster: str, days: float, state: str = "succeeded") -> None:
    await sql(
        database,
        "INSERT INTO operations (uuid, cluster_id, cluster_name, project_id, user_id, kind, state, created_at, "
        "finished_at) VALUES (:uuid, :cluster, 'c', 'p1', 'u', 'create', :state, "
        "now() - make_interval(secs => :seconds), "
        "CASE WHEN :state = 'queued' THEN NULL ELSE now() - make_interval(secs => :seconds) END)",
        uuid=uuid,
        cluster=cluster,
        seconds=days * 86400,
        state=state,
    )
    await sql(database, "INSERT INTO operation_steps (operation_id, name, position) VALUES (:uuid, 's', 1)", uuid=uuid)


async def test_operations_are_deleted_but_for_the_last_of_each_cluster(database: Database, database_url: str) -> None:
    async with memory_api(database, database_url) as api:
        cluster = await api.built()
        await sql(database, "DELETE FROM operations")
        for uuid, days in (("a1", 300), ("a2", 200), ("a3", 1000)):
            await _operation(database, uuid, cluster, days)
        await sql(database, "UPDATE operations SET created_at = now() WHERE uuid = 'a3'")
        await _operation(database, "b1", "gone", 200)
        await _operation(database, "b2", "gone", 150)
        await _operation(database, "c1", "long-gone", 500)
        await _operation(database, "d1", "orphaned", 500)
        await sql(
            database,
            "INSERT INTO orphans (kind, item_id, name, project_id, cluster_id) "
            "VALUES ('k', 'i', 'n', 'p1', 'orphaned')",
        )
        await _operation(database, "e1", "young", 89)
        await _operation(database, "e2", "young", 1)
        await _operation(database, "f1", "late", 400, "queued")
        await _operation(database, "f0", "late", 500, "failed")
        deleted = await Retention(database, SETTINGS).prune()
        assert deleted["operations"] == 5
        assert await sql(database, "SELECT uuid FROM operations ORDER BY uuid") == ["a3", "b2", "d1", "e1", "e2", "f1"]
        assert len(await sql(database, "SELECT operation_id FROM operation_steps")) == 6


async def test_keys_heartbeats_and_dead_letters(database: Database) -> None:
    await sql(
        database,
        "INSERT INTO idempotency_keys (project_id, key, request_hash, status, body, created_at) "
        "SELECT 'p1', 'k' || n, 'h', 202, '{}', now() - make_interval(hours => n) FROM generate_series(22, 26) n",
    )
    await sql(
        database,
        "INSERT INTO service_heartbeats (process_id, service, host, beat_at) SELECT s || n, s, 'h', "
        "now() - make_interval(days => n) FROM generate_series(5, 10) n, unnest(ARRAY['api', 'monitor']) s "
        "WHERE s = 'api' OR n > 8",
    )
    await sql(
        database,
        "INSERT INTO dead_letters (message_id, queue, routing_key, headers, body, reason, created_at) "
        "SELECT n, 'q', 'r', '{}', '', 'x', now() - make_interval(days => n) FROM generate_series(28, 33) n",
    )
    deleted = await Retention(database, SETTINGS).prune()
    assert deleted == {
        "events": 0,
        "operations": 0,
        "idempotency_keys": 3,
        "service_heartbeats": 5,
        "dead_letters": 4,
    }
    assert await sql(database, "SELECT process_id FROM service_heartbeats ORDER BY 1") == ["api5", "api6", "monitor9"]


async def test_monitors_do_not_do_it_at_the_same_time(database: Database) -> None:
    await events(database, 30)
    first, second = Retention(database, SETTINGS), Retention(database, SETTINGS)
    both = await asyncio.gather(first.prune(), second.prune())
    assert sum(each["events"] for each in both) <= 30
    async with database.transaction() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('jeroboam retention', 0))"))
        await events(database, 5, first=100)
        assert set((await first.prune()).values()) == {0}
    await first.prune()
    assert await positions(database) == []
