"""What the simulated Neutron and Nova refuse, filter and count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

V2 = "/network/v2.0"


async def make(demo: Any, kind: str, single: str, **fields: Any) -> dict[str, Any]:
    answer = await demo.http.post(f"{V2}/{kind}", json={single: fields})
    assert answer.status_code == 201, answer.text
    return answer.json()[single]


async def test_nothing_in_use_is_deleted(demo: Any) -> None:
    network = await make(demo, "networks", "network", name="n")
    subnet = await make(demo, "subnets", "subnet", network_id=network["id"], cidr="10.0.0.0/29")
    group = await make(demo, "security-groups", "security_group", name="g")
    router = await make(demo, "routers", "router", name="r")
    added = await demo.http.put(f"{V2}/routers/{router['id']}/add_router_interface", json={"subnet_id": subnet["id"]})
    port = await make(demo, "ports", "port", network_id=network["id"], security_groups=[group["id"]])
    expected = {
        f"networks/{network['id']}": "NetworkInUse",
        f"subnets/{subnet['id']}": "SubnetInUse",
        f"security-groups/{group['id']}": "SecurityGroupInUse",
        f"routers/{router['id']}": "RouterInUse",
        f"ports/{added.json()['port_id']}": "ServicePortInUse",
    }
    for path, kind in expected.items():
        answer = await demo.http.delete(f"{V2}/{path}")
        assert (answer.status_code, answer.json()["NeutronError"]["type"]) == (409, kind)
    assert (await demo.http.delete(f"{V2}/ports/{port['id']}")).status_code == 204
    assert (await demo.http.delete(f"{V2}/ports/{port['id']}")).status_code == 404


async def test_addresses_are_handed_out_once_and_run_out(demo: Any) -> None:
    network = await make(demo, "networks", "network")
    await make(demo, "subnets", "subnet", network_id=network["id"], cidr="10.0.0.0/29")
    ports = [await make(demo, "ports", "port", network_id=network["id"]) for _ in range(5)]
    assert len({port["fixed_ips"][0]["ip_address"] for port in ports}) == 5
    full = await demo.http.post(f"{V2}/ports", json={"port": {"network_id": network["id"]}})
    assert (full.status_code, full.json()["NeutronError"]["type"]) == (409, "IpAddressGenerationFailure")
    await demo.http.delete(f"{V2}/ports/{ports[2]['id']}")
    again = await make(demo, "ports", "port", network_id=network["id"])
    assert again["fixed_ips"] == ports[2]["fixed_ips"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=a", ["a"]),
        ("name=a&name=b", ["a", "b"]),
        ("tags=red", ["a", "b"]),
        ("tags=red,blue", ["b"]),
        ("not-tags=red", ["c"]),
        ("description=third", ["c"]),
        ("router:external=True", ["public"]),
        ("sort_key=name&sort_dir=desc&router:external=False", ["c", "b", "a"]),
        ("nonsense=1", []),
    ],
)
async def test_listings_are_filtered(demo: Any, query: str, names: list[str]) -> None:
    for name, tags, description in (("a", ["red"], ""), ("b", ["red", "blue"], ""), ("c", [], "third")):
        row = await make(demo, "networks", "network", name=name, description=description)
        await demo.http.put(f"{V2}/networks/{row['id']}/tags", json={"tags": tags})
    own = [row["name"] for row in await demo.listed(f"{V2}/networks?{query}", "networks")]
    if "external" not in query:
        own = [name for name in own if name != "public"]
    assert own == names


async def test_pages_and_fields(demo: Any) -> None:
    for number in range(5):
        await make(demo, "networks", "network", name=f"n{number}")
    seen, path = [], f"{V2}/networks?limit=2&fields=name&fields=id&router:external=False"
    for _ in range(5):
        body = (await demo.http.get(path)).json()
        seen += body["networks"]
        if "networks_links" not in body:
            break
        path = body["networks_links"][0]["href"]
    assert [row["name"] for row in seen] == [f"n{number}" for number in range(5)]
    assert set(seen[0]) == {"name", "id"}


async def test_other_projects_things_are_not_found(demo: Any, log_in: Any) -> None:
    network = await make(demo, "networks", "network", name="mine")
    alt = await log_in("alt")
    assert (await alt.http.get(f"{V2}/networks/{network['id']}")).status_code == 404
    assert (await alt.http.delete(f"{V2}/networks/{network['id']}")).status_code == 404
    assert [row["name"] for row in await alt.listed(f"{V2}/networks", "networks")] == ["public"]


async def boot(demo: Any, name: str, **fields: Any) -> dict[str, Any]:
    body = {"server": {"name": name, "flavorRef": "2", "networks": "none", **fields}}
    answer = await demo.http.post("/compute/v2.1/servers", json=body, headers={"X-OpenStack-Nova-API-Version": "2.37"})
    assert answer.status_code == 202, answer.text
    return answer.json()["server"]


async def test_servers_come_up_and_are_listed(demo: Any, admin: Any) -> None:
    for name in ("s-1", "s-2", "other"):
        await boot(demo, name)
    async with asyncio.timeout(10):
        path = "/compute/v2.1/servers?status=ACTIVE"
        while len(await demo.listed(path, "servers")) < 3:
            await asyncio.sleep(0.02)
    named = await demo.listed("/compute/v2.1/servers?name=^s-", "servers")
    assert [row["name"] for row in named] == ["s-2", "s-1"]
    everybody = await admin.listed("/compute/v2.1/servers/detail?all_tenants=1", "servers")
    assert len(everybody) == 3
    assert (await demo.http.get("/compute/v2.1/servers?all_tenants=1")).status_code == 403
    assert (await demo.http.get(f"/compute/v2.1/servers/{named[0]['id']}")).json()["server"]["status"] == "ACTIVE"


async def test_user_data_is_for_administrators_from_2_3_on(demo: Any, admin: Any) -> None:
    server = await boot(demo, "s", user_data="aGVsbG8=")
    path, key = f"/compute/v2.1/servers/{server['id']}", "OS-EXT-SRV-ATTR:user_data"
    version = {"OpenStack-API-Version": "compute 2.3"}
    assert (await admin.http.get(path, headers=version)).json()["server"][key] == "aGVsbG8="
    assert key not in (await admin.http.get(path)).json()["server"]
    assert key not in (await demo.http.get(path, headers=version)).json()["server"]


async def test_microversions_are_negotiated(demo: Any) -> None:
    answer = await demo.http.get("/compute/v2.1/flavors", headers={"OpenStack-API-Version": "compute latest"})
    assert answer.headers["openstack-api-version"] == "compute 2.90"
    answer = await demo.http.get("/compute/v2.1/flavors", headers={"OpenStack-API-Version": "compute 2.999"})
    assert answer.status_code == 406


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"flavorRef": "nope"}, "Flavor nope could not be found."),
        ({"imageRef": "nope"}, "Image nope could not be found."),
        ({"key_name": "nope"}, "Invalid key_name provided."),
        ({"networks": [{"port": "nope"}]}, "Port nope could not be found."),
        ({"user_data": "no base64!"}, "Invalid input for field/attribute user_data. Value: not Base64."),
    ],
)
async def test_a_server_that_cannot_be_is_refused(demo: Any, fields: dict[str, Any], words: str) -> None:
    body = {"server": {"name": "s", "flavorRef": "2", "networks": "none", **fields}}
    answer = await demo.http.post("/compute/v2.1/servers", json=body)
    assert (answer.status_code, answer.json()["badRequest"]["message"]) == (400, words)
    quota = await demo.listed(f"/compute/v2.1/os-quota-sets/{demo.project_id}/detail", "quota_set")
    assert quota["instances"]["in_use"] == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"server": 1}', b'{"server": {"flavorRef": []}}', b"\xff"]
)
@pytest.mark.parametrize(
    "path",
    [
        "/compute/v2.1/servers",
        "/network/v2.0/ports",
        "/network/v2.0/subnets",
        "/image/v2/images",
        "/identity/v3/auth/tokens",
    ],
)
async def test_whatever_the_bytes_the_answer_is_not_a_500(demo: Any, path: str, body: bytes) -> None:
    answer = await demo.http.post(path, content=body)
    assert answer.status_code in {201, 400, 404}


async def test_a_key_pair_says_its_type_from_2_2_on(demo: Any) -> None:
    path, body = "/compute/v2.1/os-keypairs", {"keypair": {"name": "k"}}
    old = await demo.http.post(path, json=body)
    assert (old.status_code, set(old.json()["keypair"]) & {"type", "private_key"}) == (200, {"private_key"})
    new = await demo.http.get(f"{path}/k", headers={"OpenStack-API-Version": "compute 2.2"})
    assert new.json()["keypair"]["type"] == "ssh"
