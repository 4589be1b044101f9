"""More and fewer nodes on a real OpenStack: the servers that stay are the ones that were there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.cloud.sdk import OpenStackCloudFactory
from tests.support.real_cluster import Api, Coe, cluster, gone, make_template, settle

pytestmark = [pytest.mark.openstack, pytest.mark.timeout(1500)]


async def test_up_down_and_by_name(coe: Coe, api: Api, place: dict[str, Any], factory: OpenStackCloudFactory) -> None:
    cloud = factory.for_project(place["projects"]["one"])

    async def workers(uuid: str) -> dict[str, str]:
        """Name -> server id, of workers that have joined; every server of Nova's is a node's."""
        nodes = (await api("GET", f"/v1/clusters/{uuid}/nodes")).json()["nodes"]
        assert {node["state"] for node in nodes} == {"joined"}
        servers = await cloud.list_servers(cluster_id=uuid)
        assert {node["server_id"] for node in nodes} == {server.id for server in servers}
        return {node["name"]: node["server_id"] for node in nodes if node["role"] == "worker"}

    await make_template(coe, place)
    await coe("cluster", "create", "real", "--cluster-template", "k8s", "--node-count", "3")
    uuid = (await cluster(coe))["uuid"]
    assert (await settle(coe, api, uuid, 600))["status"] == "CREATE_COMPLETE"
    first = await workers(uuid)

    await coe("cluster", "resize", "real", "6")
    done = await settle(coe, api, uuid, 600)
    assert (done["status"], done["node_count"]) == ("UPDATE_COMPLETE", 6)
    second = await workers(uuid)
    assert first.items() <= second.items()
    assert len(second) == 6

    going = sorted(first)[0]
    await coe("cluster", "resize", "real", "4", "--nodes-to-remove", first[going])
    assert (await settle(coe, api, uuid, 600))["status"] == "UPDATE_COMPLETE"
    third = await workers(uuid)
    assert going not in third
    assert len(third) == 4
    assert third.items() <= second.items()

    events = (await api("GET", f"/v1/events?cluster={uuid}&type=node.removed.*&limit=100")).json()["events"]
    assert {event["data"]["reason"] for event in events} == {"drained"}
    assert {event["data"]["name"] for event in events} == set(second) - set(third)

    nodegroup = ("nodegroup", "create", "real", "extra", "--node-count", "2")
    await coe(*nodegroup)
    assert (await settle(coe, api, uuid, 600))["status"] == "UPDATE_COMPLETE"
    assert len(await workers(uuid)) == 6
    await coe("nodegroup", "delete", "real", "extra")
    assert (await settle(coe, api, uuid, 600))["status"] == "UPDATE_COMPLETE"
    assert await workers(uuid) == third
    listed = json.loads(await coe("nodegroup", "list", "real", "-f", "json"))
    assert {row["name"] for row in listed} == {"default-master", "default-worker"}

    await coe("cluster", "delete", "real")
    await gone(api, uuid, 600)
    await coe("cluster", "template", "delete", "k8s")
    assert await cloud.inventory(cluster_id=uuid, server_ids=[*second.values()]) == []
