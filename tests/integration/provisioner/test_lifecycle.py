"""Create and delete against a cloud that misbehaves: true reasons, retries that mend, deletes that finish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from sandbox.run import Sandbox
from tests.support.client import Client
from tests.support.cloud_view import cloud_of, left_behind, stacks_of
from tests.support.sandboxes import module_client, module_sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
]


QUICK = {"JEROBOAM_POLL_SECONDS": "0.5"}
sandbox = module_sandbox(extra_environment={"provisioner": QUICK})
client = module_client()


class Cloud:
    """The simulated cloud's own doors."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._url = f"http://127.0.0.1:{sandbox.layout.cloud_port}"

    async def faults(self, script: dict[str, Any] | None) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            done = await (
                http.delete(f"{self._url}/faults") if script is None else http.put(f"{self._url}/faults", json=script)
            )
            assert done.status_code < 300, done.text


@pytest_asyncio.fixture(loop_scope="module")
async def cloud(sandbox: Sandbox) -> AsyncIterator[Cloud]:
    doors = Cloud(sandbox)
    yield doors
    await doors.faults(None)


async def shown(client: Client, cluster: str) -> dict[str, Any]:
    return await client.get(f"/v1/clusters/{cluster}")


async def retry(client: Client, cluster: str) -> None:
    operation = (await client.operations(cluster))[0]["uuid"]
    response = await client.call("POST", f"/v1/operations/{operation}/retry")
    assert response.status_code == 202, response.text


async def vanishes(client: Client, sandbox: Sandbox, cluster: str) -> None:
    project = (await shown(client, cluster))["project_id"]
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, project, cluster) == []


async def test_no_valid_host_is_told_per_node_and_a_retry_builds_only_what_failed(
    client: Client, cloud: Cloud, sandbox: Sandbox
) -> None:
    await cloud.faults({"behaviours": {"no_valid_host": ["worker-1$"]}})
    cluster = await client.create("hostless", node_count=3)
    assert await client.settled(cluster) == "CREATE_FAILED"
    view = await shown(client, cluster)
    assert "No valid host was found" in view["status_reason"]
    assert any("No valid host was found" in reason for reason in view["faults"].values())
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    failed = [node for node in nodes if node["state"] == "failed"]
    assert [node["name"].rsplit("-", 2)[1:] for node in failed] == [["worker", "1"]]
    assert "No valid host was found" in failed[0]["reason"]
    events = await client.events(cluster)
    (end,) = [event for event in events if event["type"] == "io.jeroboam.cluster.create.failed.v1"]
    assert end["data"]["faults"].keys() == {failed[0]["name"]}
    # Nothing was rolled back: what stands, stands, and the retry leaves it alone.
    before = {node["name"]: node["server_id"] for node in nodes if node["server_id"]}

    await cloud.faults(None)
    await retry(client, cluster)
    assert await client.status(cluster) == "CREATE_IN_PROGRESS"
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    after = {node["name"]: node["server_id"] for node in nodes}
    assert len(set(after.values())) == 4
    assert before.items() <= after.items()
    async with cloud_of(sandbox.layout) as clouds:
        stacks = await stacks_of(clouds, view["project_id"], cluster)
    assert sorted(stacks.values()) == [1, 1, 1]
    await vanishes(client, sandbox, cluster)


async def test_a_node_that_cannot_join_says_why_and_is_asked_again(
    client: Client, cloud: Cloud, sandbox: Sandbox
) -> None:
    await cloud.faults({"behaviours": {"fail_join": ["worker-0$"]}})
    cluster = await client.create("unjoined", node_count=2)
    assert await client.settled(cluster) == "CREATE_FAILED"
    view = await shown(client, cluster)
    assert view["status_reason"].startswith("1 of 3 nodes failed to join: ")
    await cloud.faults(None)
    servers = {node["server_id"] for node in (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]}
    await retry(client, cluster)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    assert {node["server_id"] for node in nodes} == servers
    await vanishes(client, sandbox, cluster)


async def test_a_first_master_that_fails_ends_the_wait_of_all(client: Client, cloud: Cloud, sandbox: Sandbox) -> None:
    await cloud.faults({"behaviours": {"fail_join": ["master-0$"]}})
    cluster = await client.create("headless", node_count=2)
    assert await client.settled(cluster, 60) == "CREATE_FAILED"
    assert (await shown(client, cluster))["status_reason"].startswith("1 of 3 nodes failed to join: ")
    await cloud.faults(None)
    await retry(client, cluster)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    await vanishes(client, sandbox, cluster)


async def test_an_unwell_openstack_delays_and_fails_nothing(client: Client, cloud: Cloud, sandbox: Sandbox) -> None:
    """503s, a 429 with Retry-After and dropped connections on every service the provisioner calls."""
    await cloud.faults(
        {
            "rules": [
                {"match": {"service": "orchestration", "method": "POST", "times": 2}, "do": {"status": 503}},
                {
                    "match": {"service": "orchestration", "method": "GET", "times": 2},
                    "do": {"status": 429, "headers": {"Retry-After": "1"}},
                },
                {"match": {"service": "orchestration", "probability": 0.2}, "do": {"drop": True}},
            ]
        }
    )
    cluster = await client.create("unwell")
    assert await client.settled(cluster, 150) == "CREATE_COMPLETE"
    project = (await shown(client, cluster))["project_id"]
    async with cloud_of(sandbox.layout) as clouds:
        await cloud.faults(None)
        assert sorted((await stacks_of(clouds, project, cluster)).values()) == [1, 1, 1]
    await vanishes(client, sandbox, cluster)


async def test_a_delete_that_heat_refuses_ends_when_heat_lets_it(
    client: Client, cloud: Cloud, sandbox: Sandbox
) -> None:
    cluster = await client.create("stuck")
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    await cloud.faults({"behaviours": {"delete_fails": ["base/network$"]}})
    project = (await shown(client, cluster))["project_id"]
    await client.delete(cluster)
    async with asyncio.timeout(60):
        while "DELETE" not in ((await client.operations(cluster))[0]["step_reason"] or ""):
            assert await client.status(cluster) == "DELETE_IN_PROGRESS"
            await asyncio.sleep(0.2)
    await cloud.faults(None)
    assert await client.settled(cluster) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, project, cluster) == []


@pytest.mark.parametrize("after", [0.0, 1.5, 4.0])
async def test_a_delete_overtakes_a_create_at_any_moment(client: Client, sandbox: Sandbox, after: float) -> None:
    cluster = await client.create(f"overtaken-{int(after * 10)}", node_count=5)
    await asyncio.sleep(after)
    await vanishes(client, sandbox, cluster)
    types = [event["type"] for event in await client.events(cluster)]
    assert types[-1] == "io.jeroboam.cluster.delete.completed.v1"


async def test_a_failed_cluster_can_be_deleted(client: Client, cloud: Cloud, sandbox: Sandbox) -> None:
    await cloud.faults({"behaviours": {"no_valid_host": ["master-0$"]}})
    cluster = await client.create("never")
    assert await client.settled(cluster) == "CREATE_FAILED"
    await vanishes(client, sandbox, cluster)


async def test_a_deadline_ends_a_create_with_what_it_waited_for(client: Client, cloud: Cloud, sandbox: Sandbox) -> None:
    """The user's own limit of one minute, which is then made to pass, and a node whose agent never speaks."""
    await cloud.faults({"behaviours": {"silent": ["worker-1$"]}})
    cluster = await client.create("late", create_timeout=1)
    async with asyncio.timeout(50):
        while (await client.operations(cluster))[0]["step_reason"] != "2 of 3 nodes have joined":
            await asyncio.sleep(0.1)
    connection = await asyncpg.connect(sandbox.database_url)
    limits = "SELECT deadline_at - created_at FROM operations WHERE cluster_id = $1"
    assert await connection.fetchval(limits, cluster) == timedelta(minutes=1)
    passed = "UPDATE operations SET deadline_at = now(), next_attempt_at = now() WHERE cluster_id = $1"
    await connection.execute(passed, cluster)
    await connection.close()
    assert await client.settled(cluster, 120) == "CREATE_FAILED"
    view = await shown(client, cluster)
    late = f"late-{cluster.replace('-', '')[-8:]}-default-worker-1"
    assert view["status_reason"] == (
        f"deadline passed; await_nodes was waiting: 2 of 3 nodes have joined; missing: {late}"
    )
    groups = (await client.get(f"/v1/clusters/{cluster}/nodegroups"))["nodegroups"]
    assert [group["status"] for group in groups] == ["CREATE_COMPLETE", "CREATE_FAILED"]
    await cloud.faults(None)
    await vanishes(client, sandbox, cluster)
