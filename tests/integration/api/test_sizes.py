"""How much one request may bring, how much of it is kept, and how much one response returns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.db.engine import Database
from tests.support.memory_api import TEMPLATE, MemoryApi, change, detail, memory_api

LIMITS = {
    "labels": 20,
    "labels_bytes": 1000,
    "templates_per_project": 6,
    "nodegroups_per_cluster": 3,
    "federations_per_project": 1,
    "page_bytes": 65536,
    "body_bytes": 2048,
    "body_bytes_csr": 1024,
}


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url, limits=LIMITS) as found:
        yield found


async def test_bodies_are_limited_by_their_route(api: MemoryApi) -> None:
    async def post(path: str, size: int) -> httpx.Response:
        return await api.client.post(path, content=b" " * size, headers={"Content-Type": "application/json"})

    for path, size, setting in (
        ("/v1/webhooks", 2048, "body_bytes"),
        ("/v1/certificates", 1024, "body_bytes_csr"),
        ("/clustertemplates/", 131072, "body_bytes_definition"),
    ):
        answer = await post(path, size + 1)
        assert answer.status_code == 413
        assert detail(answer) == f"The request body is larger than {size} bytes (limits.{setting})"
        assert (await post(path, size)).status_code == 400


async def test_a_length_that_is_not_true_is_not_believed(api: MemoryApi) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 1024

    headers = {"Content-Type": "application/json", "Content-Length": "10"}
    answer = await api.client.post("/v1/webhooks", content=parts(), headers=headers)
    assert answer.status_code == 413


async def test_labels_are_limited_in_number_and_size(api: MemoryApi) -> None:
    many, large = {f"label{number}": "x" for number in range(21)}, {"a": "ä" * 500}
    number = (
        "Invalid input for field/attribute {}. Value: '21 members'. "
        "Value should have at most 20 members (limits.labels)"
    )
    size = "Value should have at most 1000 bytes (limits.labels_bytes)"
    for labels, words in ((many, number.format("labels")), (large, size)):
        answer = await api.client.post("/v1/clustertemplates", json=TEMPLATE | {"labels": labels})
        assert (answer.status_code, detail(answer)[-len(words) :]) == (400, words)
    cluster = await api.built()
    for labels, words in ((many, number.format("labels")), (large, size)):
        body = {"name": "c2", "cluster_template_id": "t1", "labels": labels}
        answer = await api.client.post("/v1/clusters", json=body)
        assert (answer.status_code, detail(answer)[-len(words) :]) == (400, words)
        for patched in (f"/v1/clusters/{cluster}", "/v1/clustertemplates/t1"):
            patch = [change("replace" if "clusters/" in patched else "add", "/labels", str(labels))]
            answer = await api.client.patch(patched, json=patch)
            assert (answer.status_code, detail(answer)[-len(words) :]) == (400, words)
        answer = await api.client.post(f"/v1/clusters/{cluster}/nodegroups", json={"name": "n", "labels": labels})
        assert (answer.status_code, detail(answer)[-len(words) :]) == (400, words)
    health = [change("replace", "/health_status_reason", str(many))]
    answer = await api.client.patch(f"/v1/clusters/{cluster}", json=health)
    assert (answer.status_code, detail(answer)) == (400, number.format("health_status_reason"))
    body = {"hostcluster_id": cluster, "properties": {"dns-zone": "z." * 1000}}
    answer = await api.client.post("/v1/federations", json=body)
    assert answer.status_code == 413  # larger than any body of a federation may be here
    answer = await api.client.post("/v1/federations", json=body | {"properties": {"dns-zone": "z." * 600}})
    assert (answer.status_code, detail(answer)[-len(size) :]) == (400, size)


async def test_a_project_has_room_for_so_many(api: MemoryApi) -> None:
    cluster = await api.built()
    for number in range(2, 7):
        answer = await api.client.post("/v1/clustertemplates", json=TEMPLATE | {"name": f"t{number}"})
        assert answer.status_code == 201
    answer = await api.client.post("/v1/clustertemplates", json=TEMPLATE)
    assert answer.status_code == 403
    assert detail(answer) == (
        "Resource limit exceeded: You have reached the maximum templates per project, 6 "
        "(limits.templates_per_project). You may delete one to make room for a new one."
    )
    assert (await api.client.delete("/v1/clustertemplates/t6")).status_code == 204
    assert (await api.client.post("/v1/clustertemplates", json=TEMPLATE)).status_code == 201

    assert (await api.client.post(f"/v1/clusters/{cluster}/nodegroups", json={"name": "n"})).status_code == 202
    answer = await api.client.post(f"/v1/clusters/{cluster}/nodegroups", json={"name": "m"})
    assert (answer.status_code, "limits.nodegroups_per_cluster" in detail(answer)) == (403, True)

    body = {"hostcluster_id": cluster, "properties": {"dns-zone": "example.org"}}
    assert (await api.client.post("/v1/federations", json=body)).status_code == 202
    answer = await api.client.post("/v1/federations", json=body)
    assert (answer.status_code, "limits.federations_per_project" in detail(answer)) == (403, True)


async def test_a_page_ends_at_its_limit_in_bytes(api: MemoryApi) -> None:
    await api.built()
    await api.sql(
        "INSERT INTO cluster_templates (uuid, name, project_id, user_id, coe, image_id, labels, server_type) "
        "SELECT gen_random_uuid()::text, 'x' || n, 'p1', 'u', 'kubernetes', 'i', "
        "jsonb_build_object('a', repeat('x', 30000)), 'vm' FROM generate_series(1, 9) n"
    )
    await api.sql("UPDATE nodes SET reason = repeat('x', 70000)")
    await api.sql(
        "INSERT INTO events (id, type, subject, project_id, data) SELECT gen_random_uuid()::text, 'node.failed.v1', "
        "'s', 'p1', jsonb_build_object('reason', repeat('x', 30000)) FROM generate_series(1, 9)"
    )
    cluster = (await api.client.get("/v1/clusters")).json()["clusters"][0]["uuid"]
    for path, key, number, fewest in (
        ("/v1/clustertemplates", "clustertemplates", 10, 3),
        (f"/v1/clusters/{cluster}/nodes", "nodes", 2, 2),
        ("/v1/events", "events", 10, 3),
    ):
        found: list[Any] = []
        following: str | None = path
        pages = 0
        while following is not None:
            answer = await api.client.get(following)
            assert answer.status_code == 200
            assert len(answer.content) < 65536 + 75000
            found += answer.json()[key]
            following = answer.json().get("next")
            pages += 1
        assert len({each.get("uuid") or each["id"] for each in found}) == len(found) == number
        assert pages >= fewest
