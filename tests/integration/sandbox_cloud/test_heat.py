"""Stacks of the simulated Heat make, change and remove real rows of the other services."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

Json = dict[str, Any]

NETWORK: Json = {
    "net": {"type": "OS::Neutron::Net", "properties": {"name": "c-net"}},
    "sub": {
        "type": "OS::Neutron::Subnet",
        "properties": {"network": {"get_resource": "net"}, "cidr": "10.0.0.0/24"},
    },
    "group": {"type": "OS::Neutron::SecurityGroup", "properties": {"name": "c-group"}},
    "router": {
        "type": "OS::Neutron::Router",
        "properties": {"external_gateway_info": {"network": "public"}},
    },
    "interface": {
        "type": "OS::Neutron::RouterInterface",
        "properties": {"router": {"get_resource": "router"}, "subnet": {"get_resource": "sub"}},
    },
}


def node(number: int, **properties: Any) -> Json:
    """A port and a server on it."""
    return {
        f"port-{number}": {
            "type": "OS::Neutron::Port",
            "properties": {"network": {"get_resource": "net"}, "security_groups": [{"get_resource": "group"}]},
        },
        f"node-{number}": {
            "type": "OS::Nova::Server",
            "properties": {
                "name": f"c-node-{number}",
                "flavor": "m1.small",
                "image": "ubuntu-24.04",
                "networks": [{"port": {"get_resource": f"port-{number}"}}],
                "user_data_format": "RAW",
                "user_data": "#cloud-config\n{}",
                "metadata": {"jeroboam_cluster": "c"},
                **properties,
            },
        },
    }


def nodes(count: int) -> Json:
    made = dict(NETWORK)
    for number in range(count):
        made |= node(number)
    return made


async def servers(demo: Any) -> dict[str, Json]:
    return {row["name"]: row for row in await demo.listed("/compute/v2.1/servers/detail", "servers")}


async def test_a_stack_makes_what_it_says_and_its_delete_leaves_nothing(demo: Any) -> None:
    fip: Json = {"type": "OS::Neutron::FloatingIP", "properties": {"floating_network": "public"}}
    fip["properties"]["port_id"] = {"get_resource": "port-0"}
    outputs = {"outputs": {"address": {"value": {"get_attr": ["fip", "floating_ip_address"]}}}}
    await demo.create("c", {**nodes(3), "fip": fip}, tags="x,y", template=outputs)
    shown = await demo.until("c", "CREATE_COMPLETE")
    assert shown["tags"] == ["x", "y"]
    assert shown["outputs"][0]["output_value"].startswith("127.100.")
    found = await servers(demo)
    assert {row["status"] for row in found.values()} == {"ACTIVE"}
    kinds = {one["OS-EXT-IPS:type"] for one in found["c-node-0"]["addresses"]["c-net"]}
    assert kinds == {"fixed", "floating"}

    await demo.delete("c")
    await demo.until("c", 404)
    for path, key in (
        ("/compute/v2.1/servers", "servers"),
        ("/network/v2.0/ports", "ports"),
        ("/network/v2.0/subnets", "subnets"),
        ("/network/v2.0/routers", "routers"),
        ("/network/v2.0/floatingips", "floatingips"),
    ):
        assert await demo.listed(path, key) == []
    assert [row["name"] for row in await demo.listed("/network/v2.0/networks", "networks")] == ["public"]
    quota = await demo.listed(f"/compute/v2.1/os-quota-sets/{demo.project_id}/detail", "quota_set")
    assert quota["instances"]["in_use"] == quota["cores"]["in_use"] == 0


async def test_an_update_adds_removes_and_replaces_exactly_what_changed(demo: Any) -> None:
    await demo.create("c", nodes(3))
    await demo.until("c", "CREATE_COMPLETE")
    before = await servers(demo)
    changed = dict(NETWORK) | node(0) | node(1, user_data="#cloud-config\n{a: 1}") | node(3)
    await demo.update("c", changed)
    await demo.until("c", "UPDATE_COMPLETE")
    after = await servers(demo)
    assert set(after) == {"c-node-0", "c-node-1", "c-node-3"}
    assert after["c-node-0"]["id"] == before["c-node-0"]["id"]
    assert after["c-node-1"]["id"] != before["c-node-1"]["id"]
    assert after["c-node-1"]["addresses"] == before["c-node-1"]["addresses"]


async def test_the_update_policies_of_a_server_are_heeded(demo: Any) -> None:
    await demo.create("c", nodes(3))
    await demo.until("c", "CREATE_COMPLETE")
    before = await servers(demo)
    replaced = node(2, image="ubuntu-22.04", image_update_policy="REPLACE")
    await demo.update("c", dict(NETWORK) | node(0, image="ubuntu-22.04") | node(1, flavor="m1.large") | replaced)
    await demo.until("c", "UPDATE_COMPLETE")
    after = await servers(demo)
    assert {row["status"] for row in after.values()} == {"ACTIVE"}
    kept = {name for name in before if before[name]["id"] == after[name]["id"]}
    assert kept == {"c-node-0", "c-node-1"}
    assert after["c-node-0"]["image"] == after["c-node-2"]["image"] != before["c-node-0"]["image"]
    assert after["c-node-1"]["flavor"]["id"] == "4"
    quota = await demo.listed(f"/compute/v2.1/os-quota-sets/{demo.project_id}/detail", "quota_set")
    assert quota["cores"]["in_use"] == 1 + 4 + 1


async def test_one_failing_server_fails_the_stack_with_novas_words(demo: Any) -> None:
    demo.cloud.cloud.faults.put({"behaviours": {"no_valid_host": ["node-1$"]}})
    await demo.create("c", nodes(3))
    shown = await demo.until("c", "CREATE_FAILED")
    words = 'resources.node-1: Went to status ERROR due to "Message: No valid host was found. , Code: 500"'
    assert shown["stack_status_reason"] == f"Resource CREATE failed: ResourceInError: {words}"
    row = (await servers(demo))["c-node-1"]
    one = (await demo.http.get(f"/compute/v2.1/servers/{row['id']}")).json()["server"]
    assert one["fault"]["message"] == "No valid host was found. "

    # A failed stack is no dead end: the same template again replaces what failed.
    demo.cloud.cloud.faults.clear()
    await demo.update("c", nodes(3))
    await demo.until("c", "UPDATE_COMPLETE")
    assert {row["status"] for row in (await servers(demo)).values()} == {"ACTIVE"}


async def test_quotas_are_enforced_and_told_in_the_reason(demo: Any, admin: Any) -> None:
    path = f"/compute/v2.1/os-quota-sets/{demo.project_id}"
    assert (await admin.http.put(path, json={"quota_set": {"instances": 2}})).status_code == 200
    await demo.create("c", nodes(3))
    shown = await demo.until("c", "CREATE_FAILED")
    assert "Quota exceeded for instances: Requested 1, but already used 2 of 2" in shown["stack_status_reason"]

    ports = f"/network/v2.0/quotas/{demo.project_id}"
    assert (await admin.http.put(ports, json={"quota": {"port": 0}})).status_code == 200
    await demo.create(
        "d",
        {"net": NETWORK["net"], "p": {"type": "OS::Neutron::Port", "properties": {"network": {"get_resource": "net"}}}},
    )
    reason = (await demo.until("d", "CREATE_FAILED"))["stack_status_reason"]
    assert "OverQuotaClient: resources.p: Quota exceeded for resources: ['port']." in reason


async def test_a_delete_that_meets_foreign_use_fails_and_can_be_repeated(demo: Any) -> None:
    await demo.create("c", nodes(1))
    await demo.until("c", "CREATE_COMPLETE")
    network = (await demo.listed("/network/v2.0/networks?name=c-net", "networks"))[0]["id"]
    answer = await demo.http.post("/network/v2.0/ports", json={"port": {"network_id": network}})
    foreign = answer.json()["port"]["id"]
    await demo.delete("c")
    reason = (await demo.until("c", "DELETE_FAILED"))["stack_status_reason"]
    assert reason.startswith("Resource DELETE failed: Conflict: resources.sub: Unable to complete operation")
    await demo.http.delete(f"/network/v2.0/ports/{foreign}")
    await demo.delete("c")
    await demo.until("c", 404)


async def test_a_delete_ends_a_create_that_hangs(demo: Any) -> None:
    demo.cloud.cloud.faults.put({"behaviours": {"stuck": ["c/node-0$"]}})
    await demo.create("c", nodes(2))
    async with asyncio.timeout(10):
        while len(await servers(demo)) < 2:
            await asyncio.sleep(0.02)
    await demo.delete("c")
    await demo.until("c", 404)
    assert await servers(demo) == {}


async def test_stacks_are_listed_by_tag_and_paged(demo: Any) -> None:
    for name in ("a", "b", "c"):
        await demo.create(name, {"x": {"type": "OS::Heat::None"}}, tags=f"all,only-{name}")
    tagged = await demo.listed(f"{demo.stacks}?tags=all", "stacks")
    assert [row["stack_name"] for row in tagged] == ["c", "b", "a"]
    assert [row["stack_name"] for row in await demo.listed(f"{demo.stacks}?tags=all,only-b", "stacks")] == ["b"]
    first = (await demo.http.get(f"{demo.stacks}?limit=2")).json()
    rest = await demo.listed(first["links"][0]["href"], "stacks")
    assert [row["stack_name"] for row in rest] == ["a"]


async def test_a_name_leads_to_the_full_path(demo: Any) -> None:
    stack = await demo.create("c", {"x": {"type": "OS::Heat::None"}})
    for given in ("c", stack):
        answer = await demo.http.get(f"{demo.stacks}/{given}")
        assert answer.status_code == 302
        assert answer.headers["location"].endswith(f"/stacks/c/{stack}")
    again = await demo.http.post(demo.stacks, json={"stack_name": "c", "template": {"heat_template_version": "x"}})
    assert again.status_code == 409
    assert again.json()["error"]["type"] == "StackExists"


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({"type": "OS::No::Such"}, "The Resource Type (OS::No::Such) could not be found."),
        (
            {"type": "OS::Neutron::Net", "properties": {"nope": 1}},
            "Property error: : resources.x.properties: : Unknown Property nope",
        ),
        (
            {"type": "OS::Neutron::Subnet", "properties": {"network": {"get_resource": "y"}}},
            'The specified reference "y" (in x.Properties.network) is incorrect.',
        ),
        (
            {"type": "OS::Nova::Server", "properties": {"flavor": "nope"}},
            "Property error: : resources.x.properties.flavor: : Error validating value 'nope': "
            "No Flavor matching {'name': 'nope'}. (HTTP 404)",
        ),
        ({"type": "OS::Heat::None", "depends_on": "x"}, "Circular Dependency Found: {x}"),
    ],
)
async def test_a_bad_template_is_refused_in_heats_words(demo: Any, resource: Json, words: str) -> None:
    template = {"heat_template_version": "2018-08-31", "resources": {"x": resource}}
    answer = await demo.http.post(demo.stacks, json={"stack_name": "c", "template": template})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == words


async def test_functions_of_a_template_are_resolved(demo: Any) -> None:
    text = {"str_replace": {"template": "#!/bin/sh\necho $name\n", "params": {"$name": {"get_param": "who"}}}}
    resources = nodes(0) | node(0, user_data=text, name={"list_join": ["-", ["c", {"get_param": "OS::stack_name"}]]})
    given = {"parameters": {"who": {"type": "string", "default": "nobody"}}}
    await demo.create("c", resources, template=given, parameters={"who": "world"})
    await demo.until("c", "CREATE_COMPLETE")
    assert set(await servers(demo)) == {"c-c"}
    row = next(iter(demo.cloud.cloud.servers.rows))
    assert base64.b64decode(row["user_data"]).decode() == "#!/bin/sh\necho world\n"


async def test_other_projects_neither_see_nor_touch_a_stack(demo: Any, log_in: Any) -> None:
    stack = await demo.create("c", {"x": {"type": "OS::Heat::None"}})
    alt = await log_in("alt")
    assert (await alt.http.get(f"{alt.stacks}/{stack}")).status_code == 404
    assert (await alt.http.get(f"{demo.stacks}/c/{stack}")).status_code == 403
    reader = await log_in("reader", "demo")
    assert (await reader.http.get(f"{reader.stacks}/c/{stack}")).status_code == 200
    assert (await reader.http.delete(f"{reader.stacks}/c/{stack}")).status_code == 403


async def test_a_load_balancer_with_members_comes_and_goes(demo: Any) -> None:
    def below(kind: str, **properties: Any) -> Json:
        return {"type": f"OS::Octavia::{kind}", "properties": properties}

    balancer = {
        "lb": below("LoadBalancer", vip_subnet={"get_resource": "sub"}),
        "listener": below("Listener", loadbalancer={"get_resource": "lb"}, protocol="TCP", protocol_port=6443),
        "pool": below("Pool", listener={"get_resource": "listener"}, protocol="TCP", lb_algorithm="ROUND_ROBIN"),
        "member": below("PoolMember", pool={"get_resource": "pool"}, address="10.0.0.9", protocol_port=6443),
        "monitor": below("HealthMonitor", pool={"get_resource": "pool"}, type="TCP", delay=5, max_retries=3, timeout=5),
    }
    await demo.create("c", {**NETWORK, **balancer})
    await demo.until("c", "CREATE_COMPLETE")
    found = await demo.listed("/load-balancer/v2/lbaas/loadbalancers", "loadbalancers")
    assert [row["provisioning_status"] for row in found] == ["ACTIVE"]
    await demo.delete("c")
    await demo.until("c", 404)
    assert await demo.listed("/load-balancer/v2/lbaas/loadbalancers", "loadbalancers") == []


async def test_user_data_that_is_not_raw_is_wrapped_as_heat_does(demo: Any) -> None:
    await demo.create("c", dict(NETWORK) | node(0, user_data_format="HEAT_CFNTOOLS"))
    await demo.until("c", "CREATE_COMPLETE")
    row = next(iter(demo.cloud.cloud.servers.rows))
    assert base64.b64decode(row["user_data"]).decode().startswith("Content-Type: multipart/mixed")
