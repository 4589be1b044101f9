"""Every built-in engine through every operation, from one list, with the real processes and simulated nodes.

An engine that does not support an operation says so in its capabilities; the test then expects the refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from jeroboam.driver import Capability
from sandbox.run import Sandbox
from shared.drivers import registry
from shared.drivers.discovery import Choice
from shared.drivers.registry import engines, get_engine
from tests.support.client import Client
from tests.support.cloud_view import cloud_of, left_behind
from tests.support.nova import nova_user
from tests.support.sandboxes import module_client, module_sandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

BETA = ("dcos",)

sandbox = module_sandbox(beta_drivers=BETA)
client = module_client()


@pytest.fixture(scope="module", autouse=True)
def beta_drivers() -> Iterator[None]:
    """This process uses the drivers that the sandbox uses."""
    registry.configure(Choice(enabled_beta=BETA))
    yield
    registry.configure(Choice())


@dataclass(frozen=True)
class Sample:
    """An engine's templates: the first version, a newer one, and the files of a client's configuration.

    `version` is the one that nodes report if their image decides; `address` is how the API's address begins; `further`
    are the sizes of default nodegroups besides masters and workers.
    """

    engine: str
    older: dict[str, str]
    newer: dict[str, str]
    files: set[str]
    address: str
    version: str | None = None
    template: dict[str, Any] = field(default_factory=dict)
    further: dict[str, int] = field(default_factory=dict)


GENERATOR = {"dcos_generate_config_url": "https://mirror.example.org/dcos_generate_config.sh"}
MONITORED = {"monitoring_enabled": "true", "container_infra_prefix": "registry.example.org/m/"}
SAMPLES = [
    Sample("kubernetes", {"kube_tag": "v1.34.1"}, {"kube_tag": "v1.35.0"}, {"config"}, "https://"),
    Sample(
        "swarm", {"docker_version": "28.5.1"}, {"docker_version": "29.1.3"}, {"ca.pem", "cert.pem", "key.pem"}, "tcp://"
    ),
    # Simulated nodes report 1.0.0 where the image decides.
    Sample("mesos", MONITORED, MONITORED, {"mesos.json", "netrc", "grafana-admin-password"}, "", version="1.0.0"),
    Sample(
        "dcos",
        GENERATOR,
        GENERATOR,
        {"dcos.json", "login.json"},
        "",
        version="1.0.0",
        template={"image_id": "dcos-centos-8"},
        further={"default-bootstrap": 1},
    ),
]


async def test_the_list_has_every_engine_that_creates_clusters() -> None:
    creating = {name for name, engine in engines().items() if not engine.adopted and name != "example"}
    assert creating == {sample.engine for sample in SAMPLES}


async def changed(client: Client, cluster: str, method: str, path: str, body: object = None) -> None:
    answer = await client.call(method, path, json=body)
    assert answer.status_code in (202, 204), answer.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE"


async def refused(client: Client, method: str, path: str, body: object = None) -> None:
    answer = await client.call(method, path, json=body)
    assert answer.status_code == 400 and "not supported by" in answer.text, answer.text


async def states(client: Client, cluster: str) -> list[str]:
    return [node["state"] for node in (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]]


async def killed_and_replaced(client: Client, sandbox: Sandbox, cluster: str, nodegroup: str) -> None:
    """A machine of a nodegroup is deleted behind Jeroboam's back; a resize to the same size replaces it."""
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    of_group = [node for node in nodes if node["nodegroup"] == nodegroup]
    async with nova_user(sandbox) as nova:
        await nova.delete(of_group[0]["server_id"])
    body = {"node_count": len(of_group), "nodegroup": nodegroup}
    await changed(client, cluster, "POST", f"/v1/clusters/{cluster}/actions/resize", body)
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    servers = {node["server_id"] for node in nodes if node["nodegroup"] == nodegroup}
    assert len(servers) == len(of_group) and of_group[0]["server_id"] not in servers


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.engine)
async def test_a_whole_life(client: Client, sandbox: Sandbox, sample: Sample) -> None:
    capabilities = get_engine(sample.engine).capabilities
    common = {"coe": sample.engine, "master_lb_enabled": True, **sample.template}
    older = await client.template(name=f"{sample.engine}-older", labels=sample.older, **common)
    newer = await client.template(name=f"{sample.engine}-newer", labels=sample.newer, **common)
    cluster = await client.create("life", cluster_template_id=older, master_count=3, node_count=2)
    path = f"/v1/clusters/{cluster}"
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    shown = await client.get(path)
    assert shown["coe_version"] in (sample.version, *sample.older.values())
    assert shown["api_address"].startswith(sample.address)
    config = await client.get(f"{path}/config")
    assert set(config["files"]) == sample.files

    await changed(client, cluster, "POST", f"{path}/actions/resize", {"node_count": 4})
    more = sum(sample.further.values())
    assert await states(client, cluster) == ["joined"] * (7 + more)
    assert (await client.get(path))["node_count"] == 4, "machines that only serve others are not counted"
    await changed(client, cluster, "POST", f"{path}/actions/resize", {"node_count": 1})
    assert await states(client, cluster) == ["joined"] * (4 + more)
    await killed_and_replaced(client, sandbox, cluster, "default-worker")
    for nodegroup in sample.further:
        await killed_and_replaced(client, sandbox, cluster, nodegroup)
    assert await states(client, cluster) == ["joined"] * (4 + more)

    group = {"name": "fast", "node_count": 2, "node_labels": {"disk": "ssd"}}
    await changed(client, cluster, "POST", f"{path}/nodegroups", group)
    relabelled = [{"op": "replace", "path": "/node_labels", "value": {"disk": "hdd"}}]
    await changed(client, cluster, "PATCH", f"{path}/nodegroups/fast", relabelled)

    if Capability.UPGRADE in capabilities:
        await changed(client, cluster, "POST", f"{path}/actions/upgrade", {"cluster_template": newer})
        assert (await client.get(path))["coe_version"] in sample.newer.values()
        upgraded = (await client.get(f"{path}/nodes"))["nodes"]
        assert {node["version"] for node in upgraded if node["nodegroup"] != "fast"} == set(sample.newer.values())
    else:
        await refused(client, "POST", f"{path}/actions/upgrade", {"cluster_template": newer})

    if Capability.ROTATE_CA in capabilities:
        authority = (await client.get(f"/v1/certificates/{cluster}"))["pem"]
        await changed(client, cluster, "PATCH", f"/v1/certificates/{cluster}")
        assert (await client.get(f"/v1/certificates/{cluster}"))["pem"] != authority
    else:
        await refused(client, "PATCH", f"/v1/certificates/{cluster}")
    if Capability.ROTATE_CREDENTIALS in capabilities:
        await changed(client, cluster, "PATCH", f"/v1/credentials/{cluster}")
    else:
        await refused(client, "PATCH", f"/v1/credentials/{cluster}")
    masters = {"node_count": 5, "nodegroup": "default-master"}
    if get_engine(sample.engine).resizes_masters:
        await changed(client, cluster, "POST", f"{path}/actions/resize", masters)
    else:
        await refused(client, "POST", f"{path}/actions/resize", masters)

    await changed(client, cluster, "DELETE", f"{path}/nodegroups/fast")
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, shown["project_id"], cluster) == []


async def test_kubernetes_without_packages_is_upgraded_in_place(client: Client) -> None:
    common = {"coe": "kubernetes", "image_id": "flatcar", "master_lb_enabled": True}
    older = await client.template(name="flatcar-older", labels={"kube_tag": "v1.34.1"}, **common)
    newer = await client.template(name="flatcar-newer", labels={"kube_tag": "v1.35.0"}, **common)
    cluster = await client.create("flatcar", cluster_template_id=older, master_count=1, node_count=1)
    path = f"/v1/clusters/{cluster}"
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    assert (await client.get(f"/v1/clustertemplates/{older}"))["driver"] == "kubernetes-flatcar"
    await changed(client, cluster, "POST", f"{path}/actions/upgrade", {"cluster_template": newer})
    assert {node["version"] for node in (await client.get(f"{path}/nodes"))["nodes"]} == {"v1.35.0"}
    await client.delete(cluster)
    assert await client.settled(cluster) is None


async def test_an_engine_that_is_part_of_the_image_is_not(client: Client) -> None:
    common = {"coe": "swarm", "image_id": "flatcar"}
    older = await client.template(name="swarm-image", **common)
    newer = await client.template(name="swarm-newer-image", labels={"docker_version": "29.1.3"}, **common)
    cluster = await client.create("image", cluster_template_id=older, master_count=1, node_count=1)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    answer = await client.call("POST", f"/v1/clusters/{cluster}/actions/upgrade", json={"cluster_template": newer})
    assert answer.status_code == 409 and "Nodes with flatcar are not upgraded in place" in answer.text
    await client.delete(cluster)
    assert await client.settled(cluster) is None
