"""The inventory finds what carries the cluster's mark, and what it finds can be removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.cloud.contract import Cloud
from shared.cloud.types import InventoryItem
from shared.domain.errors import PermanentError, TemporaryError


async def test_nothing_made_nothing_found(cloud: Cloud, cluster_id: str) -> None:
    assert await cloud.inventory(cluster_id=cluster_id) == []


async def test_a_stack_and_all_it_made_is_found(
    cloud: Cloud, other_cloud: Cloud, stacks: Any, names: dict[str, str], cluster_id: str
) -> None:
    mark = f"jeroboam-{cluster_id}"
    resources: dict[str, Any] = {
        "network": {"type": "OS::Neutron::Net", "properties": {"name": f"{mark}-net"}},
        "subnet": {
            "type": "OS::Neutron::Subnet",
            "properties": {
                "name": f"{mark}-subnet",
                "network": {"get_resource": "network"},
                "cidr": "10.0.0.0/24",
            },
        },
        "router": {
            "type": "OS::Neutron::Router",
            "properties": {
                "name": f"{mark}-router",
                "external_gateway_info": {"network": names["external_network"]},
            },
        },
        "interface": {
            "type": "OS::Neutron::RouterInterface",
            "properties": {"router": {"get_resource": "router"}, "subnet": {"get_resource": "subnet"}},
        },
        "group": {"type": "OS::Neutron::SecurityGroup", "properties": {"name": f"{mark}-group"}},
        # Unnamed, so that only the tag tells whose it is.
        "port": {
            "type": "OS::Neutron::Port",
            "properties": {
                "network": {"get_resource": "network"},
                "security_groups": [{"get_resource": "group"}],
                "tags": [f"jeroboam-cluster-{cluster_id}"],
            },
            "depends_on": ["subnet"],
        },
        "servers": {
            "type": "OS::Nova::ServerGroup",
            "properties": {"name": f"{mark}-servers", "policies": ["soft-anti-affinity"]},
        },
    }
    made = await stacks.create({"heat_template_version": "2018-08-31", "resources": resources})
    done = await stacks.settled(made.id)
    assert done.complete, done.status_reason
    found = await cloud.inventory(cluster_id=cluster_id)
    kinds = [item.kind for item in found]
    assert set(kinds) == {
        "stack",
        "network",
        "subnet",
        "router",
        "port",
        "security_group",
        "server_group",
    }
    assert len(found) == 7
    owned = [item for item in await cloud.owned_items() if item.cluster_id == cluster_id]
    assert {item.kind for item in owned} - {"stack"} == set(kinds) - {"stack"}
    assert not [item for item in await other_cloud.owned_items() if item.cluster_id == cluster_id]
    assert found[0] == InventoryItem("stack", made.id, stacks.name)
    assert await other_cloud.inventory(cluster_id=cluster_id) == []
    assert await cloud.inventory(cluster_id=cluster_id.replace("-", "")) == []

    # Down the list without the stack, as if Heat had forgotten it: everything goes, in this order.
    by_kind = {item.kind: item for item in found}
    with pytest.raises(TemporaryError):
        await cloud.delete_leftover(by_kind["security_group"])
    for item in found[1:]:
        await cloud.delete_leftover(item)
        await cloud.delete_leftover(item)
    assert [item.kind for item in await cloud.inventory(cluster_id=cluster_id)] == ["stack"]
    await cloud.delete_leftover(found[0])
    await stacks.gone(made.id)
    assert await cloud.inventory(cluster_id=cluster_id) == []


async def test_servers_and_their_ports(
    cloud: Cloud, stacks: Any, shard: Any, cluster_id: str, eventually: Callable[..., Awaitable[None]]
) -> None:
    made = await stacks.create(shard(0))
    await stacks.settled(made.id)
    (server,) = await cloud.list_servers(cluster_id=cluster_id)
    found = await cloud.inventory(cluster_id=cluster_id)
    assert InventoryItem("server", server.id, "node-0") in found
    assert (server.id, cluster_id) in [(item.id, item.cluster_id) for item in await cloud.owned_items()]
    assert sum(item.kind == "port" for item in found) == 1
    # By the server alone, for ports that others made and named.
    by_server = await cloud.inventory(cluster_id="0" * 32, server_ids=[server.id])
    assert [item.kind for item in by_server] == ["port"]
    await cloud.delete_leftover(InventoryItem("server", server.id, server.name))

    async def gone() -> bool:
        return await cloud.list_servers(cluster_id=cluster_id) == []

    await eventually(gone)


async def test_a_kind_nobody_knows(cloud: Cloud) -> None:
    with pytest.raises(PermanentError):
        await cloud.delete_leftover(InventoryItem("volume", "x", "x"))
    with pytest.raises(PermanentError):
        await cloud.inventory(cluster_id="")
