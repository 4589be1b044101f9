"""/v1/prometheus: tokens that open the list of targets and nothing else, and that list."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.db.engine import Database
from tests.support.memory_api import MemoryApi, detail, memory_api

TARGETS = "/v1/prometheus/targets"
TOKENS = "/v1/prometheus/tokens"


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url, max_prometheus_tokens_per_project=3) as found:
        yield found


async def create(api: MemoryApi, **fields: Any) -> dict[str, Any]:
    answer = await api.client.post(TOKENS, json=fields)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"{TOKENS}/{answer.json()['uuid']}")
    found: dict[str, Any] = answer.json()
    return found


async def ask(api: MemoryApi, authorization: str, path: str = TARGETS) -> httpx.Response:
    """A request as Prometheus makes it: without a token of Keystone."""
    transport = api.client._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        return await client.get(path, headers={"Authorization": authorization} if authorization else {})


async def cluster_with_nodes(api: MemoryApi, name: str = "c1") -> str:
    uuid = await api.built(name, node_count=2)
    for index, address in ((0, "10.0.0.20"), (1, None)):
        await api.sql(
            "UPDATE nodes SET ip_address = :address, state = 'joined', floating_ip = '203.0.113.9' "
            "WHERE cluster_id = :uuid AND role = 'worker' AND index = :index",
            address=address,
            uuid=uuid,
            index=index,
        )
    return uuid


async def test_the_token_is_shown_once_and_stored_as_a_hash(api: MemoryApi) -> None:
    created = await create(api, name="scraper")
    token = created.pop("token")
    assert token.startswith("jprom_")
    assert (await api.client.get(f"{TOKENS}/scraper")).json() == created
    listed = await api.client.get(TOKENS)
    assert listed.json()["tokens"] == [created]
    stored = str(await api.sql("SELECT row_to_json(t)::text FROM prometheus_tokens t"))
    assert token not in listed.text + stored
    assert created["last_used_at"] is None and created["expires_at"] is None


async def test_targets_are_the_nodes_that_have_an_address(api: MemoryApi) -> None:
    uuid = await cluster_with_nodes(api)
    token = (await create(api))["token"]
    answer = await ask(api, f"Bearer {token}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    (group,) = answer.json()
    assert group["targets"] == ["10.0.0.20:9100"]
    labels = {name.removeprefix("__meta_jeroboam_"): value for name, value in group["labels"].items()}
    assert labels.pop("node_uuid")
    assert labels == {
        "cluster_name": "c1",
        "cluster_uuid": uuid,
        "cluster_status": "CREATE_COMPLETE",
        "coe": "kubernetes",
        "project_id": "p1",
        "nodegroup": "default-worker",
        "role": "worker",
        "node_name": labels["node_name"],
        "state": "joined",
        "floating_ip": "203.0.113.9",
    }
    more = await ask(api, f"Bearer {token}", f"{TARGETS}?port=9100&port=8080&port=9100")
    assert more.json()[0]["targets"] == ["10.0.0.20:9100", "10.0.0.20:8080"]
    await api.sql("UPDATE nodes SET ip_address = 'fd00::1' WHERE ip_address IS NOT NULL")
    assert (await ask(api, f"Bearer {token}")).json()[0]["targets"] == ["[fd00::1]:9100"]


async def test_a_project_without_nodes_has_an_empty_list(api: MemoryApi) -> None:
    await cluster_with_nodes(api)
    answer = await api.client.post(TOKENS, json={}, headers={"X-Auth-Token": "stranger"})
    assert answer.status_code == 201, answer.text
    assert (await ask(api, f"Bearer {answer.json()['token']}")).json() == []


WRONG_PORTS = [
    ("port=0", "from 1 to 65535"),
    ("port=65536", "from 1 to 65535"),
    ("port=9100&port=http", "field/attribute port"),
    ("port=", "field/attribute port"),
    ("port=%C2%B2", "field/attribute port"),
    ("&".join(f"port={number}" for number in range(1, 18)), "at most 16 times"),
    ("cluster=c1", 'Unknown argument: "cluster"'),
]
WRONG_TOKENS = [
    "",
    "Bearer",
    "Bearer x",
    "Basic !!",
    "Basic /w==",
    "Bearer jprom_" + "a" * 43,
    "Bearer user",
    "Digest x",
]


async def test_ports_and_tokens_are_checked(api: MemoryApi) -> None:
    token = (await create(api))["token"]
    for query, said in WRONG_PORTS:
        refused = await ask(api, f"Bearer {token}", f"{TARGETS}?{query}")
        assert refused.status_code == 400
        assert said in detail(refused)
    for authorization in WRONG_TOKENS:
        refused = await ask(api, authorization)
        assert refused.status_code == 401, authorization
        assert refused.headers["www-authenticate"].startswith("Bearer ")


async def test_basic_authentication_takes_the_token_as_password(api: MemoryApi) -> None:
    token = (await create(api))["token"]
    for user in ("", "prometheus"):
        given = b64encode(f"{user}:{token}".encode()).decode()
        assert (await ask(api, f"Basic {given}")).status_code == 200


async def test_the_token_opens_nothing_else(api: MemoryApi) -> None:
    token = (await create(api))["token"]
    for path in ("/v1/clusters", TOKENS, "/v1/nodes/x/bootstrap", f"{TARGETS}/x"):
        assert (await ask(api, f"Bearer {token}", path)).status_code == 401, path
        assert (await api.client.get(path, headers={"X-Auth-Token": token})).status_code == 401, path
    # A token of Keystone does not open the targets either.
    assert (await api.client.get(TARGETS)).status_code == 401


async def test_a_deleted_and_an_expired_token_are_refused(api: MemoryApi) -> None:
    first, second = (
        await create(api, name="one"),
        await create(api, expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat()),
    )
    assert (await ask(api, f"Bearer {second['token']}")).status_code == 200
    await api.sql("UPDATE prometheus_tokens SET expires_at = now() WHERE uuid = :uuid", uuid=second["uuid"])
    assert (await ask(api, f"Bearer {second['token']}")).status_code == 401
    assert (await api.client.delete(f"{TOKENS}/one")).status_code == 204
    assert (await ask(api, f"Bearer {first['token']}")).status_code == 401
    assert (await api.client.get(f"{TOKENS}/one")).status_code == 404


async def test_the_last_use_is_written_once_a_minute(api: MemoryApi) -> None:
    made = await create(api, name="one")
    now = datetime.now(UTC)
    seen = []
    for seconds in (0, 30, 59, 61):
        api.deps.clock = lambda at=now + timedelta(seconds=seconds): at  # type: ignore[misc]
        assert (await ask(api, f"Bearer {made['token']}")).status_code == 200
        seen.append(datetime.fromisoformat((await api.client.get(f"{TOKENS}/one")).json()["last_used_at"]))
    assert seen == [now, now, now, now + timedelta(seconds=61)]


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"expires_at": "2020-01-01T00:00:00Z"}, "a time in the future"),
    ({"expires_at": "soon"}, "Value should be a time"),
    ({"name": ""}, "field/attribute name"),
    ({"token": "x"}, "Unknown attribute"),
    ({"project_id": "p2"}, "Cannot set read only field"),
]


async def test_what_is_wrong_is_named_and_a_project_has_a_limit(api: MemoryApi) -> None:
    for fields, said in WRONG_FIELDS:
        refused = await api.client.post(TOKENS, json=fields)
        assert refused.status_code == 400
        assert said in detail(refused)
    for _ in range(3):
        assert (await create(api))["name"].endswith("-token")
    refused = await api.client.post(TOKENS, json={})
    assert refused.status_code == 403
    assert "maximum number of tokens, 3" in detail(refused)
