"""A cluster whose driver is gone stays visible, says why, and can be deleted; other clusters notice nothing."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from sandbox.run import Sandbox
from tests.support.client import Client
from tests.support.cloud_view import cloud_of, left_behind
from tests.support.sandboxes import module_client, module_sandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

sandbox = module_sandbox()
client = module_client()
WORDS = "engine 'gone' is not installed"


async def test_a_cluster_without_its_driver(client: Client, sandbox: Sandbox) -> None:
    cluster, other = await client.create("lost", node_count=1), await client.create("other", node_count=1)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    assert await client.settled(other) == "CREATE_COMPLETE"
    connection = await asyncpg.connect(sandbox.database_url)
    await connection.execute("UPDATE clusters SET engine = 'gone', measure_at = now() WHERE uuid = $1", cluster)
    await connection.close()

    listed = (await client.get("/v1/clusters/detail"))["clusters"]
    assert {each["uuid"] for each in listed} == {cluster, other}
    path = f"/v1/clusters/{cluster}"
    for method, where, body in (
        ("POST", f"{path}/actions/resize", {"node_count": 2}),
        ("POST", f"{path}/nodegroups", {"name": "more"}),
        ("GET", f"{path}/config", None),
        ("GET", f"/v1/certificates/{cluster}", None),
        ("PATCH", f"/v1/certificates/{cluster}", None),
        ("PATCH", path, [{"op": "replace", "path": "/node_count", "value": 2}]),
    ):
        refused = await client.call(method, where, json=body)
        assert (refused.status_code, WORDS in refused.text) == (400, True), f"{method} {where}: {refused.text}"
    for where in (path, f"{path}/nodes", f"{path}/nodegroups", f"{path}/operations"):
        await client.get(where)
    await _health(client, cluster, "UNKNOWN")
    assert (await client.get(path))["health_status_reason"] == {"driver": WORDS}
    await client.call("PATCH", f"/v1/clusters/{other}", json=[{"op": "remove", "path": "/health_status"}])
    await _health(client, other, "HEALTHY")

    project = (await client.get(path))["project_id"]
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, project, cluster) == []


async def _health(client: Client, cluster: str, status: str) -> None:
    for _ in range(100):
        found = await client.get(f"/v1/clusters/{cluster}")
        if found["health_status"] == status:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(found)
