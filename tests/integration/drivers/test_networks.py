"""Clusters on networks as sites run them, from create to delete, with the real processes and the simulated cloud."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sandbox.run import Sandbox
from tests.support.client import Client, issue_token
from tests.support.cloud_view import cloud_of, left_behind
from tests.support.sandboxes import module_client, module_sandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

sandbox = module_sandbox()
client = module_client()


@dataclass(frozen=True)
class Shape:
    """A network that exists already, and the fields of a template for it.

    Args:
        network: fields of the network.
        routed: whether a router connects it to the external network.
        named: which of `fixed_network` and `fixed_subnet` the template names.
        floating: how many floating IPs the cluster has.
    """

    name: str
    network: dict[str, Any] = field(default_factory=dict)
    routed: bool = False
    named: tuple[str, ...] = ("fixed_network", "fixed_subnet")
    template: dict[str, Any] = field(default_factory=dict)
    masters: int = 1
    floating: int = 0


COES = ("kubernetes", "swarm")
NO_WAY_OUT = {"external_network_id": None, "floating_ip_enabled": False}
SHAPES = [
    # A provider network whose addresses everybody reaches, with what filters packets switched off.
    Shape(
        "flat-open",
        network={"port_security_enabled": False},
        named=("fixed_network",),
        template={**NO_WAY_OUT, "master_lb_enabled": False},
    ),
    Shape(
        "flat-octavia",
        named=("fixed_subnet",),
        template={**NO_WAY_OUT, "master_lb_enabled": True},
        masters=3,
    ),
    Shape("given", routed=True, template={"floating_ip_enabled": True, "master_lb_enabled": False}, floating=2),
]


async def made_network(http: httpx.AsyncClient, name: str, shape: Shape) -> dict[str, str]:
    """The shape's network, with one subnet. Returns the template's fields that name it."""
    network = {"network": {"name": name, **shape.network}}
    made = (await http.post("/networks", json=network)).json()["network"]["id"]
    subnet = {"subnet": {"network_id": made, "cidr": "10.9.0.0/24", "name": f"{name}-v4", "ip_version": 4}}
    kept = (await http.post("/subnets", json=subnet)).json()["subnet"]["id"]
    if shape.routed:
        public = (await http.get("/networks", params={"name": "public"})).json()["networks"][0]["id"]
        router = {"router": {"name": name, "external_gateway_info": {"network_id": public}}}
        routed = (await http.post("/routers", json=router)).json()["router"]["id"]
        done = await http.put(f"/routers/{routed}/add_router_interface", json={"subnet_id": kept})
        assert done.status_code == 200, done.text
    known = {"fixed_network": name, "fixed_subnet": f"{name}-v4"}
    return {field: known[field] for field in shape.named}


async def listed(http: httpx.AsyncClient, kind: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get(f"/{kind}", params=query)).json()[kind]
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
async def test_clusters_on(client: Client, sandbox: Sandbox, shape: Shape) -> None:
    headers = {"X-Auth-Token": await issue_token(sandbox.layout.auth_url)}
    base = f"http://127.0.0.1:{sandbox.layout.cloud_port}/network/v2.0"
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=20) as http:
        fields = {coe: await made_network(http, f"{coe}-{shape.name}", shape) for coe in COES}
        before = {kind: len(await listed(http, kind)) for kind in ("networks", "routers", "subnets")}
        clusters = {coe: await created(client, coe, shape, fields[coe]) for coe in COES}
        for coe, cluster in clusters.items():
            assert await client.settled(cluster) == "CREATE_COMPLETE", await client.operations(cluster)
            await nodes_are_on(client, http, coe, cluster, shape)
        assert before == {kind: len(await listed(http, kind)) for kind in before}, "nothing of the kind was made"
        assert len(await listed(http, "floatingips")) == shape.floating * len(COES)
        for cluster in clusters.values():
            await client.delete(cluster)
        project = (await listed(http, "networks", name=f"{COES[0]}-{shape.name}"))[0]["project_id"]
        for cluster in clusters.values():
            assert await client.settled(cluster) is None
            async with cloud_of(sandbox.layout) as clouds:
                assert await left_behind(clouds, project, cluster) == []
        assert before == {kind: len(await listed(http, kind)) for kind in before}, "what was given stays"


async def created(client: Client, coe: str, shape: Shape, fields: dict[str, str]) -> str:
    name = f"{coe}-{shape.name}"
    template = await client.template(name=name, coe=coe, **fields, **shape.template)
    return await client.create(name, cluster_template_id=template, master_count=shape.masters, node_count=1)


async def nodes_are_on(client: Client, http: httpx.AsyncClient, coe: str, cluster: str, shape: Shape) -> None:
    """Every node has a port of the given network, and is filtered where the network can do that."""
    network = (await listed(http, "networks", name=f"{coe}-{shape.name}"))[0]
    ports = await listed(http, "ports", network_id=network["id"])
    nodes = {node["ip_address"] for node in (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]}
    own = [port for port in ports if port["fixed_ips"][0]["ip_address"] in nodes]
    assert len(own) == shape.masters + 1
    guarded = shape.network.get("port_security_enabled", True)
    assert {bool(port["security_groups"]) for port in own} == {guarded}
    shown = await client.get(f"/v1/clusters/{cluster}")
    assert ("10.9.0." in shown["api_address"]) is (shape.floating == 0)
