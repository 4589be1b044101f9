"""Callers who ask too often."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.db.engine import Database
from shared.operations.node_tokens import hash_token
from tests.support.memory_api import MemoryApi, detail, memory_api

LIMITS = {
    "requests_per_user": 4,
    "requests_per_project": 6,
    "requests_per_node": 20,
    "reports_per_node": 12,
    "changes_per_node": 4,
    "unknown_tokens_per_address": 3,
    "burst_seconds": 2,
}


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url, limits=LIMITS) as found:
        yield found


async def _many(api: MemoryApi, number: int, **headers: str) -> list[httpx.Response]:
    return [await api.client.get("/v1/operations", headers=headers) for _ in range(number)]


async def test_users_and_projects(api: MemoryApi) -> None:
    answers = await _many(api, 15)
    assert answers[0].status_code == 200
    refused = answers[-1]
    assert refused.status_code == 429
    assert detail(refused) == "Too many requests. One user may make 4 a second (limits.requests_per_user)."
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["errors"][0]["code"] == "client"
    # Another user of the project, of which little is left; and another project.
    others = [answer for answer in await _many(api, 15, **{"X-Auth-Token": "reader"}) if answer.status_code == 429]
    assert any("One project may make 6 a second (limits.requests_per_project)" in detail(answer) for answer in others)
    assert {answer.status_code for answer in await _many(api, 5, **{"X-Auth-Token": "stranger"})} == {200}
    assert (await api.client.get("/readyz")).status_code == 200


async def test_unknown_tokens_of_one_address(api: MemoryApi) -> None:
    statuses = [
        (await api.client.get("/v1/operations", headers={"X-Auth-Token": f"unknown{number}"})).status_code
        for number in range(20)
    ]
    assert statuses[:6] == [401] * 6
    assert statuses[-1] == 429
    assert (await api.client.get("/v1/operations")).status_code == 200  # with a token that is known
    answer = await api.client.get("/v1/operations", headers={"X-Auth-Token": "unknown"})
    assert "limits.unknown_tokens_per_address" in detail(answer)
    assert [(await api.client.get("/v1/operations", headers={"X-Auth-Token": ""})).status_code] == [401]


async def test_a_node_that_flaps(api: MemoryApi) -> None:
    cluster = await api.built()
    await api.sql("UPDATE nodes SET state = 'creating', credential_hash = :hash", hash=hash_token("secret"))
    first, second = await api.sql("SELECT uuid FROM nodes ORDER BY uuid")

    async def report(node: str, kind: str, **body: object) -> httpx.Response:
        headers = {"Authorization": "Bearer secret", "X-Auth-Token": ""}
        return await api.client.post(f"/v1/nodes/{node}/reports", json={"kind": kind, **body}, headers=headers)

    statuses: Counter[int] = Counter()
    for _ in range(20):
        for kind in ("failed", "announced"):
            answer = await report(first, kind, reason="x" * 8000)
            statuses[answer.status_code] += 1
    assert statuses == {204: 4, 429: 36}
    assert "limits." in detail(answer)
    assert 1 <= int(answer.headers["retry-after"]) <= 15
    events = await api.sql(
        "SELECT octet_length(data::text) FROM events WHERE cluster_id = :cluster AND type LIKE 'node.%'",
        cluster=cluster,
    )
    assert len(events) == 4
    assert max(events) < 5000
    # Its neighbour at the same address is not affected.
    assert (await report(second, "announced")).status_code == 204
    assert [(await report(second, "heartbeat")).status_code for _ in range(10)] == [204] * 10


async def test_requests_of_one_node(api: MemoryApi) -> None:
    await api.built()
    await api.sql("UPDATE nodes SET credential_hash = :hash", hash=hash_token("secret"))
    (node, *_) = await api.sql("SELECT uuid FROM nodes ORDER BY uuid")
    headers = {"Authorization": "Bearer secret", "X-Auth-Token": ""}
    answers = [await api.client.get(f"/v1/nodes/{node}/commands", headers=headers) for _ in range(80)]
    assert answers[0].status_code == 200
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert "limits.requests_per_node" in detail(refused[0])
    offers = [await api.client.post(f"/v1/nodes/{node}/credential") for _ in range(80)]
    assert {answer.status_code for answer in offers} == {401, 429}
