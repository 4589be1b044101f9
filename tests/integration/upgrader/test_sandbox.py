"""Upgrade and rotation on the sandbox: asked for over HTTP, done by simulated agents, seen in Keystone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox.run import Sandbox, running_sandbox
from tests.support.client import Client, demo_client
from tests.support.cloud_view import cloud_of, credentials_of, left_behind

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("upgrader"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(durable=False) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(sandbox: Sandbox) -> AsyncIterator[Client]:
    async with demo_client(sandbox) as made:
        yield made


async def nodes(client: Client, cluster: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    return found


async def test_a_cluster_is_upgraded_in_place_and_deleted_afterwards(client: Client, sandbox: Sandbox) -> None:
    await client.template(name="old", labels={"kube_tag": "v1.33.1"}, master_lb_enabled=True)
    cluster = await client.create("ageing", node_count=4, master_count=3)
    new = await client.template(name="new", labels={"kube_tag": "v1.34.2"}, master_lb_enabled=True)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    before = {node["name"]: node["server_id"] for node in await nodes(client, cluster)}
    path = f"/v1/clusters/{cluster}/actions/upgrade"

    accepted = await client.call("POST", path, json={"cluster_template": "new", "max_batch_size": 2})
    assert (accepted.status_code, accepted.json()) == (202, {"uuid": cluster}), accepted.text
    assert await client.status(cluster) == "UPDATE_IN_PROGRESS"
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    shown = await client.get(f"/v1/clusters/{cluster}")
    assert (shown["coe_version"], shown["cluster_template_id"]) == ("v1.34.2", new)
    assert shown["labels"]["kube_tag"] == "v1.34.2"
    after = await nodes(client, cluster)
    assert {node["name"]: node["server_id"] for node in after} == before, "the machines are the same"
    assert {node["version"] for node in after} == {"v1.34.2"}

    back = await client.call("POST", path, json={"cluster_template": "old"})
    assert back.status_code == 400
    assert "does not go back" in back.text
    project = shown["project_id"]
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, project, cluster) == []


async def test_a_credential_is_replaced_and_none_stays_behind(client: Client, sandbox: Sandbox) -> None:
    cluster = await client.create("rotating", node_count=1)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    (old,) = await credentials_of(sandbox.layout, cluster)
    accepted = await client.call("PATCH", f"/v1/credentials/{cluster}")
    assert (accepted.status_code, accepted.json()) == (202, {"uuid": cluster}), accepted.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    (new,) = await credentials_of(sandbox.layout, cluster)
    assert new != old
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    assert await credentials_of(sandbox.layout, cluster) == []
