"""The main job on a real OpenStack, driven by the client that nobody here wrote."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import httpx
import openstack as openstacksdk
import pytest
import yaml
from cryptography import x509

from shared.cloud.sdk import OpenStackCloudFactory
from tests.support.csr import make_csr
from tests.support.real_cluster import Api, Coe, cluster, gone, make_template, settle

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.timeout(1500),
    # openstacksdk warns of its own support for InfluxDB, whoever connects, and of its own certificate resource.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
]


async def credential_names(place: dict[str, Any]) -> set[str]:
    """The application credentials that Jeroboam's own user has in Keystone."""
    service = place["service"]
    user = {"name": service["username"], "domain": {"name": "Default"}, "password": service["password"]}
    project = {"name": service["project_name"], "domain": {"name": "Default"}}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": project},
    }
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answer = await client.post(f"{place['auth_url']}/auth/tokens", json={"auth": auth})
        headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
        user_id = answer.json()["token"]["user"]["id"]
        path = f"{place['auth_url']}/users/{user_id}/application_credentials"
        listed = (await client.get(path, headers=headers)).json()["application_credentials"]
        return {item["name"] for item in listed}


def through_the_sdk(place: dict[str, Any], uuid: str) -> tuple[str, str]:
    """A cluster's name and its CA, as openstacksdk finds them through the real catalogue."""
    connection = openstacksdk.connect(
        auth_url=place["auth_url"],
        username=place["users"]["one"],
        password=place["password"],
        project_id=place["projects"]["one"],
        user_domain_name=place["domain"],
        region_name="RegionOne",
    )
    try:
        proxy = connection.container_infrastructure_management
        assert [each.uuid for each in proxy.clusters()] == [uuid]
        found = proxy.find_cluster("real")
        assert found is not None
        assert found.status == "CREATE_COMPLETE"
        assert [each.name for each in proxy.cluster_templates()] == ["k8s"]
        return proxy.get_cluster(uuid).name, proxy.get_cluster_certificate(uuid).pem.strip()
    finally:
        connection.close()


async def test_from_template_to_nothing_left(
    coe: Coe, api: Api, place: dict[str, Any], factory: OpenStackCloudFactory, tmp_path: Path
) -> None:
    cloud = factory.for_project(place["projects"]["one"])
    await make_template(coe, place)
    await coe("cluster", "create", "real", "--cluster-template", "k8s", "--master-count", "3", "--node-count", "20")
    uuid = (await cluster(coe))["uuid"]
    done = await settle(coe, api, uuid, 900)
    assert done["status"] == "CREATE_COMPLETE", done
    assert (done["master_count"], done["node_count"]) == (3, 20)

    servers = await cloud.list_servers(cluster_id=uuid)
    assert len(servers) == 23
    assert {server.status for server in servers} == {"ACTIVE"}
    nodes = (await api("GET", f"/v1/clusters/{uuid}/nodes")).json()["nodes"]
    assert {node["server_id"] for node in nodes} == {server.id for server in servers}

    events = (await api("GET", f"/v1/events?cluster={uuid}&type=stack.changed.*&limit=100")).json()["events"]
    told = {event["data"]["stack_name"].rsplit(uuid, 1)[1]: event["data"]["status"] for event in events}
    # Heat's own notifications came, for every stack.
    assert told == dict.fromkeys(("-base", "-default-master-0", "-default-worker-0"), "CREATE_COMPLETE")

    await coe("cluster", "config", "real", "--dir", str(tmp_path), "--force")
    config = yaml.safe_load((tmp_path / "config").read_text())
    authority = x509.load_pem_x509_certificate(
        base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
    )
    client = x509.load_pem_x509_certificate(base64.b64decode(config["users"][0]["user"]["client-certificate-data"]))
    client.verify_directly_issued_by(authority)
    shown = await coe("ca", "show", "real")
    assert x509.load_pem_x509_certificate(shown.encode()) == authority

    (tmp_path / "ops.csr").write_text(make_csr("ops", "operators"))
    signed = x509.load_pem_x509_certificate((await coe("ca", "sign", "real", str(tmp_path / "ops.csr"))).encode())
    signed.verify_directly_issued_by(authority)
    assert signed.subject.rfc4514_string() == "O=operators,CN=ops"
    assert [row["name"] for row in json.loads(await coe("cluster", "template", "list", "-f", "json"))] == ["k8s"]
    assert json.loads(await coe("cluster", "template", "show", "k8s", "-f", "json"))["coe"] == "kubernetes"
    listed = json.loads(await coe("cluster", "list", "-f", "json"))
    assert [(row["name"], row["status"]) for row in listed] == [("real", "CREATE_COMPLETE")]
    assert await asyncio.to_thread(through_the_sdk, place, uuid) == ("real", shown.strip())

    assert any(uuid in name for name in await credential_names(place))
    await coe("cluster", "delete", "real")
    await gone(api, uuid, 600)
    await coe("cluster", "template", "delete", "k8s")
    assert await cloud.inventory(cluster_id=uuid, server_ids=[server.id for server in servers]) == []
    assert not any(uuid in name for name in await credential_names(place))


async def test_a_failure_names_the_node_and_a_delete_cleans_up(
    coe: Coe, api: Api, place: dict[str, Any], factory: OpenStackCloudFactory
) -> None:
    cloud = factory.for_project(place["projects"]["one"])
    await make_template(coe, place, **{"--flavor": place["names"]["impossible_flavor"]})
    await coe("cluster", "create", "real", "--cluster-template", "k8s", "--node-count", "1")
    uuid = (await cluster(coe))["uuid"]
    failed = await settle(coe, api, uuid, 600)
    assert failed["status"] == "CREATE_FAILED"
    assert "No valid host was found" in failed["status_reason"]
    nodes = (await api("GET", f"/v1/clusters/{uuid}/nodes")).json()["nodes"]
    reasons = [node["reason"] for node in nodes if node["state"] == "failed"]
    assert len(reasons) == 1
    assert "No valid host was found" in reasons[0]
    await coe("cluster", "delete", "real")
    await gone(api, uuid, 600)
    await coe("cluster", "template", "delete", "k8s")
    assert await cloud.inventory(cluster_id=uuid) == []


async def test_a_delete_overtakes_a_create(
    coe: Coe, api: Api, place: dict[str, Any], factory: OpenStackCloudFactory
) -> None:
    cloud = factory.for_project(place["projects"]["one"])
    await make_template(coe, place)
    await coe("cluster", "create", "real", "--cluster-template", "k8s", "--node-count", "3")
    uuid = (await cluster(coe))["uuid"]
    end = time.monotonic() + 120
    while not await cloud.list_stacks(tag=f"jeroboam-cluster-{uuid}"):
        assert time.monotonic() < end
        await asyncio.sleep(0.2)
    await coe("cluster", "delete", "real")
    await gone(api, uuid, 600)
    await coe("cluster", "template", "delete", "k8s")
    assert await cloud.inventory(cluster_id=uuid) == []
