"""What a create is refused for, planned as, and done once for."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from sandbox.openstack.testing import TestCloud
from services.api.deps import Deps
from shared.db.models import Quota


def detail(answer: httpx.Response) -> str:
    found: str = answer.json()["errors"][0]["detail"]
    return found


async def test_one_error_lists_everything_that_is_wrong(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    body = {
        "cluster_template_id": "k8s",
        "flavor_id": "huge",
        "keypair": "nobody",
        "fixed_network": "nowhere",
        "fixed_subnet": "neither",
    }
    answer = await user.post("/v1/clusters", json=body)
    assert answer.status_code == 400
    assert detail(answer) == (
        "Unable to find flavor huge. Unable to find fixed network nowhere. "
        "Unable to find fixed subnet neither. Unable to find keypair nobody."
    )
    assert (await user.get("/v1/clusters")).json() == {"clusters": []}


async def test_a_missing_resource_and_a_wrong_label_are_named_together(
    user: httpx.AsyncClient, template: dict[str, Any]
) -> None:
    body = {
        "cluster_template_id": "k8s",
        "flavor_id": "huge",
        "labels": {"kube_tag": "latest", "boot_volume_size": "x"},
    }
    answer = await user.post("/v1/clusters", json=body)
    assert answer.status_code == 400
    for part in ("Unable to find flavor huge.", "label kube_tag: ", "label boot_volume_size: "):
        assert part in detail(answer)


async def test_a_missing_keypair_alone_is_404(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    answer = await user.post("/v1/clusters", json={"cluster_template_id": "k8s", "keypair": "nobody"})
    assert answer.status_code == 404
    assert detail(answer) == "Unable to find keypair nobody."


async def test_shape(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    even = await user.post("/v1/clusters", json={"cluster_template_id": "k8s", "master_count": 2})
    assert detail(even) == "master nodegroup size of 2 is invalid, size cannot be an even number."
    no_balancer = {"cluster_template_id": "k8s", "master_count": 3, "master_lb_enabled": False}
    answer = await user.post("/v1/clusters", json=no_balancer)
    assert (answer.status_code, detail(answer)) == (400, "master_count must be 1 when master_lb_enabled is False")


async def test_the_template_must_exist(user: httpx.AsyncClient, login: Any) -> None:
    body = {"cluster_template_id": "none"}
    text = "ClusterTemplate none could not be found."
    for client, status in ((user, 404), (await login(version="1.9"), 400)):
        answer = await client.post("/v1/clusters", json=body)
        assert (answer.status_code, detail(answer)) == (status, text)


async def test_quotas_of_the_cloud_are_judged_for_the_whole_cluster(
    user: httpx.AsyncClient, login: Any, openstack: TestCloud, template: dict[str, Any]
) -> None:
    admin = await login("admin", "admin")
    url = f"{openstack.url}/compute/v2.1/os-quota-sets/{template['project_id']}"
    async with httpx.AsyncClient(trust_env=False, timeout=10, headers=admin.headers) as nova:
        done = await nova.put(url, json={"quota_set": {"instances": 5, "cores": 3}})
    assert done.status_code == 200, done.text

    answer = await user.post("/v1/clusters", json={"cluster_template_id": "k8s", "node_count": 5})

    assert answer.status_code == 403
    assert detail(answer) == (
        "Resource limit exceeded: Quota exceeded for cores: 6 needed, 0 of 3 in use. "
        "Quota exceeded for instances: 6 needed, 0 of 5 in use."
    )
    events = (await user.get("/v1/events?type=quota.*")).json()["events"]
    assert {event["data"]["resource"]: event["data"]["wanted"] for event in events} == {"cores": 6, "instances": 6}


async def test_dry_run_plans_and_stores_nothing(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    body = {"cluster_template_id": "k8s", "node_count": 120, "master_count": 3, "name": "big"}
    answer = await user.post("/v1/clusters?dry_run=true", json=body)
    assert answer.status_code == 200
    plan = answer.json()
    assert plan["nodes"] == {"default-master": 3, "default-worker": 120}
    shards = [(stack["nodegroup"], stack["nodes"]) for stack in plan["stacks"]]
    workers = "default-worker"
    assert shards == [(None, 0), ("default-master", 3), (workers, 50), (workers, 50), (workers, 20)]
    needed = {line["resource"]: line["needed"] for line in plan["quotas"]}
    assert needed["instances"] == 123
    assert (await user.get("/v1/clusters")).json() == {"clusters": []}


async def test_an_idempotency_key_makes_one_cluster(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    body = {"cluster_template_id": "k8s", "name": "once"}
    key = {"Idempotency-Key": "k1"}
    first = await user.post("/v1/clusters", json=body, headers=key)
    again = await user.post("/v1/clusters", json=body, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len((await user.get("/v1/clusters")).json()["clusters"]) == 1
    other = await user.post("/v1/clusters", json=body | {"name": "twice"}, headers=key)
    assert other.status_code == 409


async def test_two_creates_cannot_take_the_last_place(
    user: httpx.AsyncClient, template: dict[str, Any], deps: Deps
) -> None:
    async with deps.db.transaction() as session:
        session.add(Quota(project_id=template["project_id"], resource="Cluster", hard_limit=1))
    body = {"cluster_template_id": "k8s"}
    answers = await asyncio.gather(*(user.post("/v1/clusters", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [202, 403, 403, 403]
    refused = next(answer for answer in answers if answer.status_code == 403)
    assert detail(refused) == (
        "Resource limit exceeded: You have reached the maximum clusters per project, 1. "
        "You may delete a cluster to make room for a new one."
    )


async def test_rows_are_stored_with_the_answer(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    body = {"cluster_template_id": "k8s", "name": "c1", "node_count": 2, "labels": {"kube_tag": "v1.34.1", "x": 1}}
    cluster = (await user.post("/v1/clusters", json=body)).json()["uuid"]
    nodes = (await user.get(f"/v1/clusters/{cluster}/nodes")).json()["nodes"]
    assert [(node["nodegroup"], node["index"], node["state"]) for node in nodes] == [
        ("default-master", 0, "planned"),
        ("default-worker", 0, "planned"),
        ("default-worker", 1, "planned"),
    ]
    operations = (await user.get(f"/v1/clusters/{cluster}/operations")).json()["operations"]
    assert [(operation["kind"], operation["state"]) for operation in operations] == [("create", "queued")]
    assert operations[0]["deadline_at"] is not None
    shown = (await user.get("/v1/clusters/c1")).json()
    assert shown["labels_added"] == {"x": "1"}
    assert shown["create_timeout"] == 60


async def test_what_magnum_reads_into_a_body(user: httpx.AsyncClient, login: Any, template: dict[str, Any]) -> None:
    async def post(body: dict[str, Any], client: httpx.AsyncClient = user) -> tuple[int, str]:
        answer = await client.post("/v1/clusters", json=body)
        return answer.status_code, detail(answer)

    # A template that is given as null is looked for; only one that is not given is a missing field.
    for given in (None, ""):
        assert await post({"cluster_template_id": given}) == (404, f"ClusterTemplate {given} could not be found.")
    old = await login(version="1.9")
    assert await post({"cluster_template_id": None}, old) == (400, "ClusterTemplate None could not be found.")
    missing = "Invalid input for field/attribute cluster_template_id. Value: 'None'. Mandatory field missing."
    assert await post({}) == (400, missing)
    fixed = "Invalid input for field/attribute updated_at. Value: 'None'. Cannot set read only field."
    assert await post({"cluster_template_id": "k8s", "updated_at": None}) == (400, fixed)
    status, text = await post({"cluster_template_id": "k8s", "fixed_network": ""})
    assert (status, text.endswith("Value should have a minimum character requirement of 1")) == (400, True)


async def test_a_patch_without_a_body_is_found_out_after_the_cluster(
    user: httpx.AsyncClient, template: dict[str, Any]
) -> None:
    assert (await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})).status_code == 202
    for path, status in (("clusters/none", 404), ("federations/none", 404), ("clustertemplates/none", 400)):
        assert (await user.patch(f"/v1/{path}")).status_code == status
    assert detail(await user.patch("/v1/clusters/c1")) == 'Missing argument: "patch"'
    # An empty object changes nothing, and Magnum takes no objects.
    for body in ({}, {"id": "c1"}):
        assert detail(await user.patch("/v1/clusters/c1", json=body)).endswith(f"Value not a valid list: {body}")


async def test_lists_are_sorted_by_what_magnum_has(user: httpx.AsyncClient) -> None:
    for key in ("spec", "driver", "coe", "node_count"):
        refused = await user.get(f"/v1/clusters?sort_key={key}")
        assert detail(refused) == f'The sort_key value "{key}" is an invalid field for sorting'


async def test_a_marker_names_something_of_the_list(
    user: httpx.AsyncClient, login: Any, template: dict[str, Any]
) -> None:
    for name in ("c1", "c2"):
        assert (await user.post("/v1/clusters", json={"name": name, "cluster_template_id": "k8s"})).status_code == 202
    stranger = await login("alt", "alt")
    cluster = (await user.get("/v1/clusters/c1")).json()["uuid"]
    group = (await user.get("/v1/clusters/c1/nodegroups")).json()["nodegroups"][0]["uuid"]
    assert (await user.get(f"/v1/clusters/c1/nodegroups?marker={group}")).status_code == 200
    for client, path, marker, kind in (
        (stranger, "clustertemplates", template["uuid"], "ClusterTemplate"),
        (stranger, "clusters", cluster, "Cluster"),
        (user, "clusters/c2/nodegroups", group, "Nodegroup"),
    ):
        answer = await client.get(f"/v1/{path}?marker={marker}")
        assert (answer.status_code, detail(answer)) == (404, f"{kind} {marker} could not be found.")


async def test_a_token_that_dies_on_the_way_is_401(
    user: httpx.AsyncClient, template: dict[str, Any], openstack: TestCloud, deps: Deps
) -> None:
    deps.settings = deps.settings.model_copy(update={"preflight_cache_seconds": 0, "preflight_quota_seconds": 0})
    body = {"cluster_template_id": "k8s"}
    planned = await user.post("/v1/clusters?dry_run=true", json=body)
    assert planned.json()["accepted"], planned.text
    # Our own validator remembers the token for minutes; the services ask each time.
    token = user.headers["X-Auth-Token"]
    async with httpx.AsyncClient(trust_env=False, timeout=10) as keystone:
        mine = {"X-Auth-Token": token, "X-Subject-Token": token}
        assert (await keystone.delete(f"{openstack.auth_url}/auth/tokens", headers=mine)).status_code == 204
    for path in ("/v1/clusters", "/v1/clusters?dry_run=true"):
        refused = await user.post(path, json=body)
        assert refused.status_code == 401, refused.text
        assert refused.json()["error"]["title"] == "Unauthorized"
        assert refused.headers["www-authenticate"].startswith("Keystone uri=")


async def test_a_dual_stack_network_gives_its_ipv4_subnet(
    user: httpx.AsyncClient, openstack: TestCloud, template: dict[str, Any]
) -> None:
    networks, project = openstack.cloud.neutron.networks, openstack.project_ids["demo"]

    def make(name: str, *cidrs: str) -> list[str]:
        network = networks.create_network(project, {"name": name})["id"]
        return [networks.create_subnet(project, {"network_id": network, "cidr": cidr})["id"] for cidr in cidrs]

    ipv6, ipv4 = make("dual", "2001:db8::/64", "10.20.0.0/24")
    make("six", "2001:db8:1::/64")
    make("bare")
    ask = {"cluster_template_id": "k8s"}
    for given, text in (
        ({"fixed_network": "six"}, "Fixed network six has no IPv4 subnet."),
        ({"fixed_network": "bare"}, "Fixed network bare has no subnet."),
        ({"fixed_subnet": ipv6}, f"Fixed subnet {ipv6} is an IPv6 subnet, an IPv4 subnet is needed."),
        ({"fixed_network": "dual", "fixed_subnet": ipv6}, f"Fixed subnet {ipv6} is an IPv6 subnet, an IPv4 subnet is"),
    ):
        refused = await user.post("/v1/clusters", json=ask | given)
        assert (refused.status_code, detail(refused)[: len(text)]) == (400, text)
    patch = [{"op": "replace", "path": "/fixed_subnet", "value": ipv6}]
    assert "is an IPv6 subnet" in detail(await user.patch("/v1/clustertemplates/k8s", json=patch))

    accepted = await user.post("/v1/clusters", json=ask | {"fixed_network": "dual"})
    assert accepted.status_code == 202, accepted.text
    preview = await user.post("/v1/clusters", json=ask | {"fixed_subnet": ipv4})
    assert preview.status_code == 202, preview.text


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            {"octavia_provider": "ovn", "octavia_lb_algorithm": "ROUND_ROBIN"},
            "label octavia_lb_algorithm: ROUND_ROBIN is",
        ),
        (
            {"master_lb_allowed_cidrs": "2001:db8::/64"},
            "label master_lb_allowed_cidrs: must be IPv4 networks separated",
        ),
        (
            {"container_infra_prefix": "https://a.org/"},
            "label container_infra_prefix: must be a registry prefix such as",
        ),
        ({"dns_cluster_domain": "a..b"}, "label dns_cluster_domain: must be a DNS name in lower case such as"),
        ({"boot_volume_size": "00"}, "label boot_volume_size: must be a whole number such as 20"),
    ],
)
async def test_labels_that_a_service_would_refuse(
    user: httpx.AsyncClient, template: dict[str, Any], labels: dict[str, str], said: str
) -> None:
    body = {"cluster_template_id": "k8s", "labels": labels, "merge_labels": True}
    refused = await user.post("/v1/clusters", json=body)
    assert (refused.status_code, detail(refused)[: len(said)]) == (400, said)
