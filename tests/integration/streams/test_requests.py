"""Requests for events: filters, cursors that are no longer valid, and limits of what one may hold open."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.api.nodes import credentials
from shared.db.engine import Database
from shared.events.catalog import OperationCancelled, OperationCompleted
from shared.events.log import emit
from tests.support.memory_api import MemoryApi, detail
from tests.support.rows import make_cluster
from tests.support.streams import Emit, StreamClient


async def types(api: MemoryApi, **query: str) -> list[str]:
    answer = await api.client.get("/v1/events", params=query)
    assert answer.status_code == 200, answer.text
    return [event["type"].removeprefix("io.jeroboam.") for event in answer.json()["events"]]


async def test_filters(api: MemoryApi, database: Database, emitted: Emit) -> None:
    async with database.transaction() as session:
        cluster = (await make_cluster(session)).uuid
        done = OperationCompleted(kind="create", status="CREATE_COMPLETE", seconds=1)
        await emit(session, "cluster.create.completed.v1", done, project_id="p1", cluster=cluster)
        ended = OperationCancelled(kind="resize", reason="no")
        await emit(session, "cluster.resize.cancelled.v1", ended, project_id="p1")
    await emitted("a")
    await api.sql("UPDATE events SET time = now() - interval '1 hour' WHERE type LIKE '%completed%'")
    created, resized, joined = "cluster.create.completed.v1", "cluster.resize.cancelled.v1", "node.joined.v1"
    assert await types(api) == [created, resized, joined]
    assert await types(api, cluster=cluster) == [created]
    assert await types(api, type="cluster.*") == [created, resized]
    assert await types(api, type="cluster.create.completed,io.jeroboam.node.joined.v1") == [created, joined]
    assert await types(api, outcome="completed,cancelled") == [created, resized]
    assert await types(api, outcome="cancelled", type="cluster.create.*") == []
    half_an_hour_ago = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    assert await types(api, until=half_an_hour_ago) == [created]
    assert await types(api, since=half_an_hour_ago, type="cluster.*") == [resized]
    assert await types(api, after="latest") == []


@pytest.mark.parametrize(
    "query",
    ["after=1", "type=x.y", "type=", "outcome=good", "since=yesterday", "until=9999999", "cluster=c1", "marker=1"],
)
@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/stream"])
async def test_a_bad_filter_is_named(api: MemoryApi, path: str, query: str) -> None:
    answer = await api.client.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.text


async def test_the_cursor_moves_past_what_does_not_match(api: MemoryApi, emitted: Emit) -> None:
    await emitted("a", "b", project="p2")
    first = (await api.client.get("/v1/events")).json()
    assert (first["events"], first["cursor"]) == ([], "0-2")
    await emitted("c", "d", "e")
    page = (await api.client.get("/v1/events", params={"after": first["cursor"], "limit": 2})).json()
    assert [event["data"]["name"] for event in page["events"]] == ["c", "d"]
    rest = (await api.client.get(page["next"])).json()
    assert ([event["data"]["name"] for event in rest["events"]], rest["cursor"]) == (["e"], "0-5")


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/stream"])
async def test_a_cursor_that_is_gone(api: MemoryApi, emitted: Emit, path: str) -> None:
    """Older than what is kept, or beyond the end of a log that was restored from an older copy."""
    await emitted(*"abcd")
    assert (await api.client.get("/v1/events")).json()["cursor"] == "0-4"
    await api.sql("DELETE FROM events WHERE position <= 2")
    for cursor, begin in (("0-1", "0-2"), ("0-9", "0-4")):
        answer = await api.client.get(path, params={"after": cursor})
        assert (answer.status_code, answer.headers["x-jeroboam-cursor"]) == (410, begin)
        assert f"after={begin}" in detail(answer)
    answer = await api.client.get(path, headers={"Last-Event-ID": "0-1"}, params={"after": "0-9"})
    assert answer.status_code == 410
    kept = (await api.client.get("/v1/events", params={"after": "0-2"})).json()["events"]
    assert [event["data"]["name"] for event in kept] == ["c", "d"]
    assert (await api.client.get("/v1/events")).json()["events"] == kept
    assert api.deps.stream_places.held() == 0


async def test_limits_name_their_setting(api: MemoryApi) -> None:
    places = api.deps.stream_places
    mine = [places.take(user="u1", project="p1", process="") for _ in range(2)]
    answer = await api.client.get("/v1/events/stream")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert detail(answer) == "Too many event streams. One user may have 2 open (streams.max_per_user)."
    mine.pop()()
    others = [places.take(user=name, project="p1", process="") for name in "ab"]
    answer = await api.client.get("/v1/events/stream")
    assert "One project may have 3 open (streams.max_per_project)" in detail(answer)
    for release in mine + others:
        release()
        release()
    assert places.held() == 0


async def test_a_stream_gives_its_place_back(api: MemoryApi) -> None:
    released = asyncio.Event()
    client = StreamClient(api.deps, release=released.set)
    async with client.connected():
        await asyncio.sleep(0.1)
        assert not released.is_set()
    assert released.is_set()


async def test_long_polls_of_a_node_are_limited(api: MemoryApi, monkeypatch: pytest.MonkeyPatch) -> None:
    async def known(_deps: Any, node_id: str, _credential: str) -> str:
        return node_id

    monkeypatch.setattr(credentials, "authenticate", known)
    polls = [asyncio.create_task(api.client.get("/v1/nodes/n1/commands?wait=20")) for _ in range(4)]
    while sum(api.deps.poll_places._held.values()) < 8:
        await asyncio.sleep(0.01)
    answer = await api.client.get("/v1/nodes/n1/commands?wait=20")
    assert (answer.status_code, "max_polls_per_node" in detail(answer)) == (429, True)
    assert (await api.client.get("/v1/nodes/n1/commands")).status_code == 200, "it holds nothing open"
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    assert api.deps.poll_places.held() == 0
