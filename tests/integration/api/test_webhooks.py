"""/v1/webhooks: what is accepted, what is refused with which words, patches, pages and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.db.engine import Database
from tests.support.memory_api import MemoryApi, change, detail, memory_api

URL = "https://hooks.example.com/jeroboam"


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url, webhooks={"max_per_project": 3}) as found:
        yield found


async def create(api: MemoryApi, **fields: Any) -> dict[str, Any]:
    answer = await api.client.post("/v1/webhooks", json={"url": URL} | fields)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"/v1/webhooks/{answer.json()['uuid']}")
    found: dict[str, Any] = answer.json()
    return found


async def test_the_secret_is_shown_once(api: MemoryApi) -> None:
    created = await create(api, name="w")
    secret = created.pop("secret")
    assert secret.startswith("whsec_")
    shown = (await api.client.get("/v1/webhooks/w")).json()
    assert shown == created
    assert (shown["status"], shown["enabled"], shown["format"], shown["ordered"]) == (
        "active",
        True,
        "structured",
        False,
    )
    listed = await api.client.get("/v1/webhooks")
    assert listed.json()["webhooks"] == [created]
    assert secret not in listed.text


async def test_names_are_generated_and_pages_have_links(api: MemoryApi) -> None:
    made = [(await create(api))["name"] for _ in range(3)]
    assert all(name.endswith("-webhook") for name in made)
    first = (await api.client.get("/v1/webhooks?limit=2")).json()
    second = (await api.client.get(first["next"].removeprefix("http://api.test"))).json()
    assert [each["name"] for each in (*first["webhooks"], *second["webhooks"])] == made
    refused = await api.client.post("/v1/webhooks", json={"url": URL})
    assert refused.status_code == 403
    assert "maximum number of webhooks, 3" in detail(refused)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": None}, "field/attribute url"),
        ({"url": "http://hooks.example.com/"}, "must use https"),
        ({"url": "https://hooks.example.com:8080/"}, "port 8080, which is not permitted"),
        ({"url": "https://127.0.0.1/"}, "127.0.0.1 is the local host"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "a private network"),
        ({"url": "https://0x7f.1/"}, "neither a DNS name nor an address"),
        ({"url": "https://keystone.test/"}, "a host of this service"),
        ({"url": "https://user:pw@example.com/"}, "user name or password"),
        ({"url": "https://example.com/" + "x" * 2048}, "maximum character requirement of 2048"),
        ({"event_types": ["cluster.*.exploded"]}, "should match an event type"),
        ({"event_types": ["cluster.create.completed; DROP"]}, "field/attribute event_types"),
        ({"event_types": ["*"] * 51}, "at most 50 items"),
        ({"event_types": "node.*"}, "Value not a valid list"),
        ({"cluster_ids": ["demo"]}, "UUID of a cluster"),
        ({"outcomes": ["done"]}, "should be one of: requested"),
        ({"format": "xml"}, "structured, plain"),
        ({"ordered": "perhaps"}, "Unrecognized value"),
        ({"secret": "whsec_x"}, "Unknown attribute"),
        ({"status": "active"}, "Cannot set read only field"),
        ({"name": ""}, "field/attribute name"),
    ],
)
async def test_refusals_name_the_field(api: MemoryApi, fields: dict[str, Any], said: str) -> None:
    refused = await api.client.post("/v1/webhooks", json={"url": URL} | fields)
    assert refused.status_code == 400, refused.text
    assert said in detail(refused)
    assert (await api.client.get("/v1/webhooks")).json()["webhooks"] == []


async def test_a_patch_in_both_forms(api: MemoryApi) -> None:
    await create(api, name="w", event_types=["node.*"], description="d")
    patched = await api.client.patch(
        "/v1/webhooks/w",
        json=[
            change("replace", "/event_types", ["cluster.*"]),
            change("remove", "/description"),
            change("replace", "/enabled", False),
        ],
    )
    assert patched.status_code == 200, patched.text
    shown = patched.json()
    assert (shown["event_types"], shown["description"], shown["enabled"], shown["status"]) == (
        ["cluster.*"],
        None,
        False,
        "paused",
    )
    merged = await api.client.patch(
        "/v1/webhooks/w", json={"enabled": True, "ordered": True, "event_types": None, "name": "x"}
    )
    assert merged.status_code == 200, merged.text
    shown = merged.json()
    assert (shown["event_types"], shown["ordered"], shown["name"], shown["status"]) == ([], True, "x", "active")


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ([change("replace", "/url", "https://10.0.0.1/")], "10.0.0.1 is a private network"),
        ([change("remove", "/url")], "mandatory attribute"),
        ([change("replace", "/secret", "whsec_x")], "non-existent"),
        ([change("replace", "/status", "active")], "internal attribute"),
        ({"url": "http://example.com/"}, "must use https"),
        ({"event_types": ["nothing.*"]}, "should match an event type"),
        ({"uuid": "x"}, "internal attribute"),
    ],
)
async def test_a_patch_checks_what_a_create_checks(api: MemoryApi, patch: Any, said: str) -> None:
    before = await create(api, name="w")
    refused = await api.client.patch("/v1/webhooks/w", json=patch)
    assert refused.status_code == 400, refused.text
    assert said in detail(refused)
    del before["secret"]
    assert (await api.client.get("/v1/webhooks/w")).json() == before


async def test_requests_for_deliveries(api: MemoryApi) -> None:
    await create(api, name="w")
    first = (await api.client.post("/v1/webhooks/w/test")).json()["uuid"]
    assert "has not ended" in detail(await api.client.post("/v1/webhooks/w/test"))
    again = await api.client.post(f"/v1/webhooks/w/deliveries/{first}/redeliver")
    assert again.status_code == 409
    for body, said in (({}, "field/attribute since"), ({"since": "yesterday"}, "should be a time")):
        refused = await api.client.post("/v1/webhooks/w/redeliver", json=body)
        assert refused.status_code == 400
        assert said in detail(refused)
    for path in ("deliveries/x", f"deliveries/{'0' * 8}-0000-0000-0000-{'0' * 12}"):
        assert (await api.client.get(f"/v1/webhooks/w/{path}")).status_code == 404
    assert (await api.client.get("/v1/webhooks/w/deliveries?state=lost")).status_code == 400
    pages = await api.client.get("/v1/webhooks/w/deliveries?limit=1&state=pending")
    assert [each["uuid"] for each in pages.json()["deliveries"]] == [first]
    following = await api.client.get(pages.json()["next"].removeprefix("http://api.test"))
    assert following.json() == {"deliveries": []}
    await api.client.post("/v1/webhooks", json={"name": "other", "url": URL})
    assert (await api.client.get(f"/v1/webhooks/other/deliveries/{first}")).status_code == 404


async def test_a_paused_webhook_is_not_tested(api: MemoryApi) -> None:
    await create(api, name="w", enabled=False)
    refused = await api.client.post("/v1/webhooks/w/test")
    assert (refused.status_code, "is paused; enable it first" in detail(refused)) == (409, True)
