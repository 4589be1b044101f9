"""Upgrades to another image on the sandbox: new machines join, old ones are drained and go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from sandbox.run import Sandbox
from tests.support.client import Client
from tests.support.cloud_view import cloud_of, left_behind
from tests.support.nova import nova_user
from tests.support.sandboxes import module_client, module_sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
]

OLD, NEW = "ubuntu-22.04", "ubuntu-24.04"

sandbox = module_sandbox()
client = module_client()


async def nodes(client: Client, cluster: str, role: str) -> list[dict[str, Any]]:
    found = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    return [node for node in found if node["role"] == role]


async def images(client: Client, sandbox: Sandbox, cluster: str, role: str) -> list[str]:
    """The images of the machines that the nodes of a role have."""
    async with nova_user(sandbox) as nova:
        servers = [await nova.show(node["server_id"]) for node in await nodes(client, cluster, role)]
    return sorted(server["image"]["id"] for server in servers)


@asynccontextmanager
async def faults(sandbox: Sandbox, **behaviours: list[str]) -> AsyncIterator[None]:
    """The cloud and the nodes behave so for a time."""
    url = f"http://127.0.0.1:{sandbox.layout.cloud_port}/faults"
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.put(url, json={"behaviours": behaviours})).status_code < 300
        yield
        assert (await http.put(url, json={"behaviours": {}})).status_code < 300


async def upgraded(client: Client, cluster: str, **body: Any) -> None:
    answer = await client.call("POST", f"/v1/clusters/{cluster}/actions/upgrade", json=body)
    assert answer.status_code == 202, answer.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE", await client.operations(cluster)


async def test_workers_get_another_image_and_version(client: Client, sandbox: Sandbox) -> None:
    old = await client.template(name="workers-old", image_id=OLD, labels={"kube_tag": "v1.33.1"})
    new = await client.template(
        name="workers-new", image_id=NEW, labels={"kube_tag": "v1.34.2", "upgrade_strategy": "workers"}
    )
    cluster = await client.create("renewed", cluster_template_id=old, node_count=3)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    masters, workers = await nodes(client, cluster, "master"), await nodes(client, cluster, "worker")
    await upgraded(client, cluster, cluster_template="workers-new", max_batch_size=2)

    assert [node["server_id"] for node in await nodes(client, cluster, "master")] == [
        node["server_id"] for node in masters
    ]
    now = await nodes(client, cluster, "worker")
    assert [node["index"] for node in now] == [3, 4, 5]
    assert {node["version"] for node in now} == {"v1.34.2"}
    assert not {node["server_id"] for node in now} & {node["server_id"] for node in workers}
    assert len(set(await images(client, sandbox, cluster, "worker"))) == 1
    assert await images(client, sandbox, cluster, "worker") != await images(client, sandbox, cluster, "master")
    shown = await client.get(f"/v1/clusters/{cluster}")
    assert (shown["coe_version"], shown["cluster_template_id"], shown["node_count"]) == ("v1.34.2", new, 3)
    types = [event["type"].removeprefix("io.jeroboam.") for event in await client.events(cluster)]
    assert types.count("node.drained.v1") == types.count("node.removed.v1") == 3
    joined = [place for place, each in enumerate(types) if each == "node.joined.v1"][4:]
    assert joined[1] < types.index("node.drained.v1"), "two new ones join before an old one leaves"

    answer = await client.call(
        "POST", f"/v1/clusters/{cluster}/actions/resize", json={"node_count": 4, "nodegroup": "default-worker"}
    )
    assert answer.status_code == 202, answer.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    assert len(set(await images(client, sandbox, cluster, "worker"))) == 1
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, shown["project_id"], cluster) == []


async def test_masters_are_upgraded_and_then_replaced_one_by_one(client: Client, sandbox: Sandbox) -> None:
    common = {"master_lb_enabled": True}
    old = await client.template(name="all-old", image_id=OLD, labels={"kube_tag": "v1.33.1"}, **common)
    await client.template(name="all-new", image_id=NEW, labels={"kube_tag": "v1.34.2"}, **common)
    cluster = await client.create("whole", cluster_template_id=old, node_count=1, master_count=3)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    before = [event["sequence"] for event in await client.events(cluster)]
    await upgraded(client, cluster, cluster_template="all-new")

    now = await nodes(client, cluster, "master")
    assert [node["index"] for node in now] == [3, 4, 5]
    assert {node["version"] for node in [*now, *await nodes(client, cluster, "worker")]} == {"v1.34.2"}
    assert (
        len({*await images(client, sandbox, cluster, "master"), *await images(client, sandbox, cluster, "worker")}) == 1
    )
    seen = [
        event["type"].removeprefix("io.jeroboam.node.").removesuffix(".v1")
        for event in (await client.events(cluster))[len(before) :]
        if event["type"].startswith("io.jeroboam.node.") and event["data"]["role"] == "master"
    ]
    moves = [each for each in seen if each in ("joined", "removed")]
    assert moves == ["joined", "removed"] * 3, "never two masters away, never more than one too many"
    shown = await client.get(f"/v1/clusters/{cluster}")
    assert (shown["master_count"], shown["coe_version"]) == (3, "v1.34.2")
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, shown["project_id"], cluster) == []


async def test_what_cannot_be_replaced_is_refused_with_the_reason(client: Client) -> None:
    old = await client.template(name="single-old", image_id=OLD)
    await client.template(name="single-new", image_id=NEW, labels={"upgrade_strategy": "replace"})
    await client.template(name="single-kept", image_id=OLD, labels={"upgrade_strategy": "in_place"})
    await client.template(name="single-auto", image_id=NEW)
    cluster = await client.create("single", cluster_template_id=old, node_count=1)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    servers = [node["server_id"] for node in await nodes(client, cluster, "worker")]
    path = f"/v1/clusters/{cluster}/actions/upgrade"
    answer = await client.call("POST", path, json={"cluster_template": "single-new"})
    assert answer.status_code == 409
    assert (
        "masters cannot be replaced: the address of the API belongs to the machine of the single master" in answer.text
    )
    assert "upgrade_strategy" in answer.text
    (master,) = await nodes(client, cluster, "master")
    await upgraded(client, cluster, cluster_template="single-auto")
    assert [node["server_id"] for node in await nodes(client, cluster, "master")] == [master["server_id"]]
    kept = [node["server_id"] for node in await nodes(client, cluster, "worker")]
    assert not {*kept} & {*servers}
    await upgraded(client, cluster, cluster_template="single-kept")
    assert [node["server_id"] for node in await nodes(client, cluster, "worker")] == kept


async def test_after_a_failure_a_retry_goes_on_and_another_upgrade_goes_back(client: Client, sandbox: Sandbox) -> None:
    old = await client.template(name="back-old", image_id=OLD, labels={"upgrade_strategy": "workers"})
    await client.template(name="back-new", image_id=NEW, labels={"upgrade_strategy": "workers"})
    cluster = await client.create("back", cluster_template_id=old, node_count=2)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    before = await images(client, sandbox, cluster, "worker")
    path = f"/v1/clusters/{cluster}/actions/upgrade"
    async with faults(sandbox, no_valid_host=["worker-2$"], fail_join=["worker-3$"]):
        assert (await client.call("POST", path, json={"cluster_template": "back-new"})).status_code == 202
        assert await client.settled(cluster) == "UPDATE_FAILED"
        assert "No valid host" in (await client.get(f"/v1/clusters/{cluster}"))["status_reason"]
    async with faults(sandbox, fail_join=["worker-3$"]):
        (failed,) = [each for each in await client.operations(cluster) if each["state"] == "failed"]
        assert (await client.call("POST", f"/v1/operations/{failed['uuid']}/retry")).status_code == 202
        assert await client.settled(cluster) == "UPDATE_FAILED"
        found = {node["index"]: node["state"] for node in await nodes(client, cluster, "worker")}
        assert found == {1: "joined", 2: "joined", 3: "failed"} or found == {0: "joined", 2: "joined", 3: "failed"}
    await upgraded(client, cluster, cluster_template="back-old")
    assert await images(client, sandbox, cluster, "worker") == before
    now = [node["index"] for node in await nodes(client, cluster, "worker")]
    assert len(now) == 2 and now[0] in (0, 1), "what has the image is kept"


async def test_a_swarm_gets_the_version_of_its_image(client: Client, sandbox: Sandbox) -> None:
    common = {"coe": "swarm", "master_lb_enabled": True}
    old = await client.template(name="swarm-old", image_id=OLD, **common)
    await client.template(name="swarm-new", image_id=NEW, **common)
    cluster = await client.create("swarm", cluster_template_id=old, node_count=1)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    await upgraded(client, cluster, cluster_template="swarm-new")
    for role in ("master", "worker"):
        (node,) = await nodes(client, cluster, role)
        assert (node["index"], node["version"]) == (1, "1.0.0")
    assert await images(client, sandbox, cluster, "master") == await images(client, sandbox, cluster, "worker")
    assert (await client.get(f"/v1/clusters/{cluster}"))["coe_version"] == "1.0.0"
