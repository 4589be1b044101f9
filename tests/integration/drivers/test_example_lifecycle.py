"""A cluster of an engine that is not ours: the example package, installed beside the real processes, from create to
delete. It shares nothing with Kubernetes, so what passes here is neutral."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from cryptography import x509

from sandbox.layout import SERVICES
from sandbox.run import Sandbox, running_sandbox
from tests.support.client import Client, issue_token
from tests.support.cloud_view import cloud_of, left_behind
from tests.support.example_package import installed
from tests.support.sandboxes import module_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

client = module_client()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    package: Path = installed(tmp_path_factory.mktemp("example"))
    environment = {"PYTHONPATH": str(package)}
    async with running_sandbox(
        durable=False, extra_environment=dict.fromkeys(("api", *SERVICES), environment)
    ) as running:
        await _add_image(running)
        yield running


async def _add_image(sandbox: Sandbox) -> None:
    token = await issue_token(sandbox.layout.auth_url)
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        answer = await http.post(
            f"http://127.0.0.1:{sandbox.layout.cloud_port}/image/v2/images",
            headers={"X-Auth-Token": token},
            json={"name": "pages-os", "os_distro": "example-os", "visibility": "private"},
        )
    assert answer.status_code == 201, answer.text


async def nodes(client: Client, cluster: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    return found


async def changed(client: Client, cluster: str, method: str, path: str, body: object = None) -> None:
    answer = await client.call(method, f"/v1/clusters/{cluster}{path}", json=body)
    assert answer.status_code in (202, 204), answer.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE"


async def test_the_whole_life_of_a_cluster(client: Client, sandbox: Sandbox) -> None:
    template = await client.template(
        name="pages", coe="example", master_lb_enabled=True, labels={"example_version": "1.0"}
    )
    shown = await client.get(f"/v1/clustertemplates/{template}")
    assert (shown["driver"], shown["cluster_distro"], shown["network_driver"]) == ("example-ubuntu", "ubuntu", "bridge")
    even = await client.create("two", master_count=2, node_count=1)
    cluster = await client.create("site", master_count=3, node_count=2)
    assert await client.settled(even) == "CREATE_COMPLETE", "this engine takes any number of masters"
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    shown = await client.get(f"/v1/clusters/{cluster}")
    assert (shown["coe_version"], shown["master_count"], shown["node_count"]) == ("1.0", 3, 2)
    assert shown["api_address"].startswith("https://") and shown["api_address"].endswith(":8080")
    await _joined_by_the_first_masters_token(client, sandbox, cluster)

    config = await client.get(f"/v1/clusters/{cluster}/config")
    assert set(config["files"]) == {"cert.pem", "key.pem"}
    assert config["environment"] == {"EXAMPLE_URL": shown["api_address"], "EXAMPLE_CERTS": "{directory}"}
    authority = (await client.get(f"/v1/certificates/{cluster}"))["pem"]
    own = x509.load_pem_x509_certificate(config["files"]["cert.pem"].encode())
    own.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))

    await changed(client, cluster, "POST", "/actions/resize", {"node_count": 4})
    assert len(await nodes(client, cluster)) == 7
    await changed(client, cluster, "POST", "/actions/resize", {"node_count": 1})
    assert len(await nodes(client, cluster)) == 4
    drained = [event for event in await client.events(cluster) if event["type"].endswith("node.drained.v1")]
    assert len(drained) == 3, "an engine that has nothing to drain says so, and nodes are not called undrained"

    await _a_nodegroup_of_another_kind(client, sandbox, cluster)

    newer = await client.template(
        name="newer", coe="example", master_lb_enabled=True, labels={"example_version": "1.1"}
    )
    await changed(client, cluster, "POST", "/actions/upgrade", {"cluster_template": newer})
    assert {node["version"] for node in await nodes(client, cluster)} == {"1.1"}
    assert (await client.get(f"/v1/clusters/{cluster}"))["coe_version"] == "1.1"

    answer = await client.call("PATCH", f"/v1/certificates/{cluster}")
    assert answer.status_code == 202, answer.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    assert (await client.get(f"/v1/certificates/{cluster}"))["pem"] != authority
    refused = await client.call("PATCH", f"/v1/credentials/{cluster}")
    assert refused.status_code == 400
    assert "not supported by driver example-ubuntu" in refused.text

    for each in (cluster, even):
        await client.delete(each)
        assert await client.settled(each) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, shown["project_id"], cluster) == []


async def _joined_by_the_first_masters_token(client: Client, sandbox: Sandbox, cluster: str) -> None:
    """Nothing but the first master's fact let the others join, and the log shows no value of it."""
    order = [event for event in await client.events(cluster) if event["type"].endswith("node.joined.v1")]
    assert order[0]["data"]["role"] == "master"
    connection = await asyncpg.connect(sandbox.database_url)
    rows = await connection.fetch(
        "SELECT f.name, f.sealed FROM node_facts f JOIN nodes n ON n.uuid = f.node_id WHERE n.cluster_id = $1", cluster
    )
    await connection.close()
    assert {(row["name"], row["sealed"]) for row in rows} == {("join_token", True)}


async def _a_nodegroup_of_another_kind(client: Client, sandbox: Sandbox, cluster: str) -> None:
    """Another image, operating system and hardware beside those of the cluster, and away again."""
    path = f"/v1/clusters/{cluster}/nodegroups"
    unknown = await client.call("POST", path, json={"name": "odd", "image_id": "fedora-coreos"})
    assert unknown.status_code == 400
    assert "Nodes of a example cluster cannot run fedora-coreos" in unknown.text
    body: dict[str, Any] = {"name": "racks", "image_id": "pages-os", "node_count": 2, "labels": {"server_type": "bm"}}
    labelled = await client.call("POST", path, json=body | {"node_labels": {"a": "b"}})
    assert labelled.status_code == 409
    volumes = await client.call("POST", path, json=body | {"docker_volume_size": 10})
    assert volumes.status_code == 400
    assert "no volumes can be attached to racks" in volumes.text
    await changed(client, cluster, "POST", "/nodegroups", body)
    connection = await asyncpg.connect(sandbox.database_url)
    rows = await connection.fetch(
        "SELECT name, operating_system, hardware FROM nodegroups WHERE cluster_id = $1", cluster
    )
    await connection.close()
    assert {row["name"]: (row["operating_system"], row["hardware"]) for row in rows} == {
        "default-master": ("ubuntu", "vm"),
        "default-worker": ("ubuntu", "vm"),
        "racks": ("example-os", "example-rack"),
    }
    groups = (await client.get(path))["nodegroups"]
    racks = next(group for group in groups if group["name"] == "racks")
    assert racks["status"] == "CREATE_COMPLETE"
    await changed(client, cluster, "DELETE", f"/nodegroups/{racks['uuid']}")
    assert len(await nodes(client, cluster)) == 4
