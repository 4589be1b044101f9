"""Servers on Ironic's machines: what they get, what they are refused, and when a machine is free again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from sandbox.openstack.testing import QUICK, TestCloud, running_cloud

NETWORK = {
    "net": {"type": "OS::Neutron::Net"},
    "sub": {"type": "OS::Neutron::Subnet", "properties": {"network": {"get_resource": "net"}, "cidr": "10.0.0.0/24"}},
}


@pytest.fixture
async def cloud() -> AsyncIterator[TestCloud]:
    """Three machines of each class."""
    # A machine is cleaned for longer than a slow test needs to ask for it meanwhile.
    latencies = replace(QUICK.latencies, cleaning=(25, 30))
    async with running_cloud(replace(QUICK, bare_metal=3, latencies=latencies)) as found:
        yield found


def machine(index: int, **more: Any) -> dict[str, Any]:
    port = {"network": {"get_resource": "net"}, "fixed_ips": [{"subnet": {"get_resource": "sub"}}]}
    server = {
        "name": f"m-{index}",
        "flavor": "bm.general",
        "image": "ubuntu-24.04",
        "networks": [{"port": {"get_resource": f"port-{index}"}}],
    }
    return {
        f"port-{index}": {"type": "OS::Neutron::Port", "properties": port},
        f"node-{index}": {"type": "OS::Nova::Server", "properties": server | more},
    }


def several(*indexes: int) -> dict[str, Any]:
    found = dict(NETWORK)
    for index in indexes:
        found |= machine(index)
    return found


def states(demo: Any, kind: str = "CUSTOM_BM_GENERAL") -> Counter[str]:
    return Counter(row["state"] for row in demo.cloud.cloud.bare_metal.rows if row["class"] == kind)


async def reached(demo: Any, **wanted: int) -> None:
    """Returns once as many machines are in each of the states, whose names have "_" for a space."""
    async with asyncio.timeout(10):
        while any(states(demo)[name.replace("_", " ")] < number for name, number in wanted.items()):
            await asyncio.sleep(0.02)


async def test_flavors_say_which_machines_they_are(demo: Any) -> None:
    demo.http.headers["OpenStack-API-Version"] = "compute 2.61"
    flavors = {row["name"]: row for row in await demo.listed("/compute/v2.1/flavors/detail", "flavors")}
    assert flavors["bm.general"]["extra_specs"] == {
        "resources:CUSTOM_BM_GENERAL": "1",
        **{f"resources:{name}": "0" for name in ("VCPU", "MEMORY_MB", "DISK_GB")},
    }
    assert flavors["m1.small"]["extra_specs"] == {}


async def test_a_server_has_a_machine_until_that_is_cleaned(demo: Any) -> None:
    await demo.create("c", several(0, 1, 2))
    await demo.until("c", "CREATE_COMPLETE")
    assert states(demo) == {"active": 3}
    ports = list(demo.cloud.cloud.neutron.state.ports)
    machines = {row["id"] for row in demo.cloud.cloud.bare_metal.rows if row["state"] == "active"}
    bound = {port["binding:host_id"] for port in ports if port.get("binding:vnic_type") == "baremetal"}
    assert bound == machines

    demo.cloud.cloud.faults.put({"behaviours": {"clean_fails": ["-0$"]}})
    await demo.delete("c")
    await demo.until("c", 404)
    assert states(demo)["cleaning"] > 0, "Nova says the servers are gone, and their machines are not free"
    await demo.create("d", several(0))
    shown = await demo.until("d", "CREATE_FAILED")
    assert "No valid host was found. There are not enough hosts available." in shown["stack_status_reason"]
    await reached(demo, available=2, clean_failed=1)
    assert states(demo) == {"available": 2, "clean failed": 1}
    await demo.update("d", several(0))
    await demo.until("d", "UPDATE_COMPLETE")


async def test_a_failed_deployment_is_told_by_nova(demo: Any) -> None:
    demo.cloud.cloud.faults.put({"behaviours": {"deploy_fails": ["m-1$"]}})
    await demo.create("c", several(0, 1))
    shown = await demo.until("c", "CREATE_FAILED")
    assert 'Went to status ERROR due to "Message: Failed to provision instance' in shown["stack_status_reason"]
    # The failure of one server fails the stack while the machine of the other may still be deploying.
    await reached(demo, active=1, deploy_failed=1)
    assert states(demo) == {"active": 1, "deploy failed": 1, "available": 1}
    await demo.delete("c")
    await demo.until("c", 404)
    await reached(demo, available=3)


async def test_what_nova_cannot_do_is_refused(demo: Any) -> None:
    await demo.create("c", several(0))
    await demo.until("c", "CREATE_COMPLETE")
    (server,) = await demo.listed("/compute/v2.1/servers/detail", "servers")
    resized = await demo.http.post(
        f"/compute/v2.1/servers/{server['id']}/action", json={"resize": {"flavorRef": "bm1"}}
    )
    assert (resized.status_code, "not supported for bare metal" in resized.text) == (400, True)
    volume = {
        "volume": {"type": "OS::Cinder::Volume", "properties": {"size": 1}},
        "attached": {
            "type": "OS::Cinder::VolumeAttachment",
            "properties": {"instance_uuid": {"get_resource": "node-0"}, "volume_id": {"get_resource": "volume"}},
        },
    }
    await demo.create("v", several(0) | volume)
    shown = await demo.until("v", "CREATE_FAILED")
    assert "attaching a volume is not supported for bare metal" in shown["stack_status_reason"]


async def test_a_machine_is_in_the_zone_that_was_asked_for(demo: Any) -> None:
    await demo.create("c", dict(NETWORK) | machine(0, availability_zone="az2"))
    await demo.until("c", "CREATE_COMPLETE")
    assert [row["zone"] for row in demo.cloud.cloud.bare_metal.rows if row["state"] == "active"] == ["az2"]
    await demo.create("d", dict(NETWORK) | machine(1, availability_zone="az2"))
    shown = await demo.until("d", "CREATE_FAILED")
    assert "No valid host was found" in shown["stack_status_reason"], "the only other machines are elsewhere"
