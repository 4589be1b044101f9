"""PATCH of clusters: what is there at once, what becomes a resize, what is refused and how."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.db.engine import Database
from tests.support.memory_api import TEMPLATE, MemoryApi, change, detail, memory_api


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url) as api:
        yield api


async def patch(api: MemoryApi, *changes: dict[str, Any], query: str = "", version: str = "latest") -> httpx.Response:
    headers = {"OpenStack-API-Version": f"container-infra {version}"}
    return await api.client.patch(f"/v1/clusters/c1{query}", json=list(changes), headers=headers)


async def test_a_node_count_is_a_resize_that_shows_at_once(api: MemoryApi) -> None:
    cluster = await api.built(node_count=2)
    answer = await patch(api, change("replace", "/node_count", "4"), query="/?rollback=True")
    assert (answer.status_code, answer.json()) == (202, {"uuid": cluster})
    assert await api.statuses(cluster) == {
        "cluster": "UPDATE_IN_PROGRESS",
        "default-master": "CREATE_COMPLETE",
        "default-worker": "UPDATE_IN_PROGRESS",
    }
    operation = await api.operation(cluster)
    assert (operation["kind"], operation["state"]) == ("resize", "queued")
    wanted = {"node_count": 4, "nodegroup": "default-worker", "rollback": True, "nodes_to_remove": []}
    assert operation["params"] == wanted
    assert (await api.client.get("/v1/clusters/c1")).json()["node_count"] == 4


async def test_a_removed_node_count_is_one(api: MemoryApi) -> None:
    await api.built(node_count=3)
    assert (await patch(api, change("remove", "/node_count"))).status_code == 202
    assert (await api.client.get("/v1/clusters/c1")).json()["node_count"] == 1


async def test_no_nodes_before_their_version(api: MemoryApi) -> None:
    await api.built()
    answer = await patch(api, change("replace", "/node_count", 0), version="1.9")
    text = "Resizing a nodegroup to zero is not supported in the provided microversion."
    assert (answer.status_code, detail(answer)) == (400, text)
    assert (await patch(api, change("replace", "/node_count", 0), version="1.10")).status_code == 202


async def test_rollback_needs_its_version(api: MemoryApi) -> None:
    await api.built()
    answer = await patch(api, change("replace", "/node_count", 2), query="?rollback=True", version="1.2")
    assert (answer.status_code, detail(answer)) == (400, 'Unknown argument: "rollback"')


async def test_a_name_is_there_at_once(api: MemoryApi) -> None:
    cluster = await api.built()
    assert (await patch(api, change("replace", "/name", "other"))).status_code == 202
    shown = (await api.client.get("/v1/clusters/other")).json()
    assert (shown["uuid"], shown["status"]) == (cluster, "CREATE_COMPLETE")
    assert (await api.operation(cluster))["kind"] == "create"


async def test_labels_of_nodes_to_come(api: MemoryApi) -> None:
    cluster = await api.built(labels={"x": "1", "y": "2"})
    changes = [
        change("add", "/labels/boot_volume_size", "30"),
        change("replace", "/labels/x", 5),
        change("remove", "/labels/y"),
    ]
    assert (await patch(api, *changes)).status_code == 202
    new = {"x": "5", "boot_volume_size": "30"}
    assert (await api.client.get("/v1/clusters/c1")).json()["labels"] == new
    group = (await api.client.get("/v1/clusters/c1/nodegroups/default-worker")).json()
    assert group["labels"] == new
    assert (await api.statuses(cluster))["cluster"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (change("add", "/labels/kube_tag", "v1.34.9"), "label kube_tag: the version can be changed only by an upgrade"),
        (change("add", "/labels/pods_network_cidr", "10.1.0.0/16"), "label pods_network_cidr: it cannot be changed"),
        (change("add", "/labels/boot_volume_size", "big"), "label boot_volume_size: "),
        (change("replace", "/master_count", 3), "Resizing the master nodegroup is not supported by this driver."),
        (change("replace", "/keypair", "k"), "cannot change cluster property(ies) keypair."),
        (change("remove", "/name"), "cannot change cluster property(ies) name."),
        (change("replace", "/uuid", "x"), "'/uuid' is an internal attribute and can not be updated"),
        (change("remove", "/cluster_template_id"), "'/cluster_template_id' is a mandatory attribute and can not be"),
        (change("add", "/foo", "x"), "Adding a new attribute /foo to the root of the resource is not allowed."),
        (change("replace", "/node_count", "many"), "Invalid input for field/attribute node_count. Value: 'many'."),
        (change("replace", "/node_count", -1), "Invalid input for field/attribute node_count. Value: '-1'. Value sh"),
        (change("replace", "/health_status", "fine"), "Invalid input for field/attribute health_status. Value: 'fine'"),
        (change("replace", "/health_status_reason", "bad"), "Couldn't apply patch '[{"),
    ],
    ids=lambda value: value["path"] if isinstance(value, dict) else "",
)
async def test_refused_and_nothing_of_it_written(api: MemoryApi, given: dict[str, Any], text: str) -> None:
    cluster = await api.built()
    before = (await api.client.get("/v1/clusters/c1")).json()
    answer = await patch(api, change("replace", "/name", "other"), change("replace", "/node_count", 5), given)
    assert answer.status_code == 400
    assert detail(answer).startswith(text)
    assert (await api.client.get(f"/v1/clusters/{cluster}")).json() == before
    assert (await api.operation(cluster))["kind"] == "create"


@pytest.mark.parametrize("coe", ["swarm", "mesos"])
async def test_new_values_of_labels_are_checked(api: MemoryApi, coe: str) -> None:
    template = TEMPLATE | {"coe": coe, "tls_disabled": coe == "mesos"}
    assert (await api.client.post("/v1/clustertemplates", json=template)).status_code == 201
    await api.built()
    answer = await patch(api, change("add", "/labels/boot_volume_size", "huge"))
    assert answer.status_code == 400 and "label boot_volume_size: " in answer.text
    assert (await patch(api, change("add", "/labels/boot_volume_size", "20"))).status_code == 202


async def test_health_by_somebody_who_knows(api: MemoryApi) -> None:
    cluster = await api.built()
    changes = [
        change("replace", "/health_status", "UNHEALTHY"),
        change("replace", "/health_status_reason", "{'api': 'bad', 'node-0.Ready': False}"),
    ]
    assert (await patch(api, *changes)).status_code == 202
    shown = (await api.client.get("/v1/clusters/c1")).json()
    assert shown["health_status"] == "UNHEALTHY"
    assert shown["health_status_reason"] == {"api": "bad", "node-0.Ready": "False"}
    assert (await api.statuses(cluster))["cluster"] == "CREATE_COMPLETE"


async def test_a_plain_object_is_merged_into_what_is_there(api: MemoryApi) -> None:
    await api.built()
    answer = await api.client.patch("/v1/clusters/c1", json={"node_count": 3, "name": "other"})
    assert answer.status_code == 202
    assert (await api.client.get("/v1/clusters/other")).json()["node_count"] == 3
    fixed = await api.client.patch("/v1/clusters/other", json={"keypair": "x"})
    assert (fixed.status_code, detail(fixed)) == (400, "cannot change cluster property(ies) keypair.")
    missing = await api.client.patch("/v1/clusters/none", json={"node_count": 3})
    assert missing.status_code == 400
    assert (await api.client.patch("/v1/clusters/none", json=[])).status_code == 404


async def test_the_same_master_count_is_no_change(api: MemoryApi) -> None:
    cluster = await api.built()
    assert (await patch(api, change("replace", "/master_count", 1))).status_code == 202
    assert (await patch(api)).status_code == 202
    assert (await api.operation(cluster))["kind"] == "create"
