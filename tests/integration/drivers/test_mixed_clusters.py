"""Clusters of virtual machines and bare metal, either as masters, from create to delete."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx
import pytest

from sandbox.run import Sandbox
from tests.support.client import Client, issue_token
from tests.support.cloud_view import cloud_of, left_behind
from tests.support.sandboxes import module_client, module_sandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

sandbox = module_sandbox()
client = module_client()
METAL = {"server_type": "bm", "flavor_id": "bm.general", "master_flavor_id": "bm.general"}


async def network(sandbox: Sandbox, name: str) -> str:
    """A network of the project, as an operator makes one that both kinds of machines can reach."""
    headers = {"X-Auth-Token": await issue_token(sandbox.layout.auth_url)}
    base = f"http://127.0.0.1:{sandbox.layout.cloud_port}/network/v2.0"
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=20) as http:
        made = (await http.post(f"{base}/networks", json={"network": {"name": name}})).json()["network"]["id"]
        subnet = {"network_id": made, "cidr": "10.7.0.0/24", "name": name}
        kept = (await http.post(f"{base}/subnets", json={"subnet": subnet})).json()["subnet"]["id"]
        router = {"name": name, "external_gateway_info": {"network_id": await _public(http, base)}}
        routed = (await http.post(f"{base}/routers", json={"router": router})).json()["router"]["id"]
        done = await http.put(f"{base}/routers/{routed}/add_router_interface", json={"subnet_id": kept})
        assert done.status_code == 200, done.text
    return name


async def _public(http: httpx.AsyncClient, base: str) -> str:
    found: str = (await http.get(f"{base}/networks", params={"name": "public"})).json()["networks"][0]["id"]
    return found


async def hardware(sandbox: Sandbox, cluster: str) -> dict[str, str]:
    connection = await asyncpg.connect(sandbox.database_url)
    rows = await connection.fetch("SELECT name, hardware FROM nodegroups WHERE cluster_id = $1", cluster)
    await connection.close()
    return {row["name"]: row["hardware"] for row in rows}


@pytest.mark.parametrize("coe", ["kubernetes", "swarm"])
@pytest.mark.parametrize("masters", ["vm", "bm"])
async def test_a_mixed_cluster(client: Client, sandbox: Sandbox, coe: str, masters: str) -> None:
    own = METAL if masters == "bm" else {}
    other = {"labels": {"server_type": "vm"}, "flavor_id": "m1.small"}
    if masters == "vm":
        other = {"labels": {"server_type": "bm", "availability_zone": "az1,az2"}, "flavor_id": "bm.storage"}
    name = await network(sandbox, f"{coe}-{masters}")
    template = await client.template(name=name, coe=coe, master_lb_enabled=True, fixed_network=name, **own)
    expected = f"{coe}-ubuntu-bare-metal" if masters == "bm" else f"{coe}-ubuntu"
    assert (await client.get(f"/v1/clustertemplates/{template}"))["driver"] == expected
    cluster = await client.create(name, cluster_template_id=template, master_count=1, node_count=1)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    path = f"/v1/clusters/{cluster}"
    group: dict[str, Any] = {"name": "other", "node_count": 3, "merge_labels": True, **other}
    wrong = await client.call("POST", f"{path}/nodegroups", json={**group, "flavor_id": _swapped(masters)})
    assert wrong.status_code == 400 and "server type" in wrong.text and _swapped(masters) in wrong.text
    if masters == "vm":
        volumes = await client.call("POST", f"{path}/nodegroups", json={**group, "docker_volume_size": 10})
        assert volumes.status_code == 400 and "docker_volume_size: no volumes" in volumes.text
    made = await client.call("POST", f"{path}/nodegroups", json=group)
    assert made.status_code == 202, made.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    kinds = {"vm": "vm", "bm": "bare-metal"}
    fewer = kinds[masters]
    assert await hardware(sandbox, cluster) == {
        "default-master": fewer,
        "default-worker": fewer,
        "other": ({"vm", "bare-metal"} - {fewer}).pop(),
    }
    nodes = (await client.get(f"{path}/nodes"))["nodes"]
    assert [node["state"] for node in nodes] == ["joined"] * 5
    resized = await client.call("POST", f"{path}/actions/resize", json={"node_count": 1, "nodegroup": "other"})
    assert resized.status_code == 202, resized.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    project = (await client.get(path))["project_id"]
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, project, cluster) == []


def _swapped(masters: str) -> str:
    """A flavor that the other nodegroup cannot have."""
    return "m1.small" if masters == "vm" else "bm.general"


async def test_bare_metal_without_a_network_is_refused(client: Client) -> None:
    template = await client.template(name="no-network", coe="kubernetes", **METAL)
    body = {"name": "c", "cluster_template_id": template, "docker_volume_size": 5}
    refused = await client.call("POST", "/v1/clusters", json=body)
    assert refused.status_code == 400
    assert "fixed_network: nodegroup default-master is bare-metal" in refused.text
    assert "docker_volume_size: no volumes can be attached" in refused.text


async def test_a_flavor_of_the_other_kind_is_refused(client: Client) -> None:
    template = await client.template(name="swapped", coe="swarm", flavor_id="bm.general")
    refused = await client.call("POST", "/v1/clusters", json={"name": "c", "cluster_template_id": template})
    assert refused.status_code == 400
    assert "Flavor bm.general is one of bare metal" in refused.text
