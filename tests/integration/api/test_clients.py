"""Clients that nobody here wrote: every command of `openstack coe` a user types, over real sockets.

Rule: exit statuses and what is printed are what is judged. Commands run in one process of the client
(tests/support/coe), some of them started as a user starts them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from magnumclient.v1.cluster_templates import CLUSTER_TEMPLATE_ATTRIBUTES
from magnumclient.v1.clusters import CLUSTER_ATTRIBUTES
from magnumclient.v1.nodegroups import NODEGROUP_ATTRIBUTES

from sandbox.openstack.testing import TestCloud
from sandbox.ports import free_port
from services.api.deps import Deps
from tests.support.coe import Coe, running_coe
from tests.support.csr import make_csr
from tests.support.served_api import api_fixture, cloud_fixture, finish

# Each start of the client takes a second of processor time; the machine may be busy.
pytestmark = pytest.mark.timeout(600)
PORT = free_port()
TEMPLATE = "--coe kubernetes --image ubuntu-24.04 --external-network public --flavor m1.small"
CLUSTERS = ["uuid", "name", "keypair", "node_count", "master_count", "status", "health_status"]


openstack = cloud_fixture(PORT)
api = api_fixture(PORT)


@pytest.fixture
async def coe(openstack: TestCloud, api: Deps, tmp_path: Path) -> AsyncIterator[Coe]:
    async with running_coe(openstack.environment(), tmp_path) as client:
        yield client


@pytest.fixture
async def cluster(coe: Coe, api: Deps) -> str:
    """The uuid of a cluster `c1` that is complete, with one master and one worker, made from template `k8s`."""
    (await coe(f"cluster template create k8s {TEMPLATE} --labels a=b --master-lb-enabled")).ok()
    (await coe("cluster create c1 --cluster-template k8s")).ok()
    uuid: str = (await coe("cluster list -f json")).json()[0]["uuid"]
    await finish(api, uuid)
    return uuid


async def test_the_commands_as_they_are_started(coe: Coe, api: Deps, tmp_path: Path) -> None:
    (await coe.started(f"cluster template create k8s {TEMPLATE}")).ok()
    accepted = (await coe.started("cluster create c1 --cluster-template k8s --node-count 2")).ok()
    (row,) = (await coe.started("cluster list -f json")).json()
    assert accepted.strip() == f"Request to create cluster {row['uuid']} accepted"
    assert list(row) == CLUSTERS
    assert (row["name"], row["node_count"], row["status"]) == ("c1", 2, "CREATE_IN_PROGRESS")
    await finish(api, row["uuid"])
    printed = (await coe.started("cluster config c1 --output-certs", "--dir", str(tmp_path))).ok()
    assert printed.strip() == f"export KUBECONFIG={tmp_path}/config"
    assert (await coe.started("cluster delete c1")).ok().strip() == "Request to delete cluster c1 has been accepted."
    (await coe.started("cluster show nothing")).refused("Cluster nothing could not be found")


async def test_templates(coe: Coe) -> None:
    every = "--master-flavor m1.medium --keypair lab --network-driver flannel"
    every += " --volume-driver cinder --dns-nameserver 8.8.4.4 --docker-volume-size 5 --docker-storage-driver overlay2"
    every += " --http-proxy http://p:1 --https-proxy http://p:2 --no-proxy a,b --insecure-registry r:5000"
    every += " --labels a=b,c=d --tags x,y --server-type vm --floating-ip-disabled --master-lb-enabled"
    made = (await coe(f"cluster template create k8s {TEMPLATE} {every} -f json")).json()
    assert set(made) == set(CLUSTER_TEMPLATE_ATTRIBUTES)
    expected: dict[str, Any] = {
        "name": "k8s",
        "coe": "kubernetes",
        "image_id": "ubuntu-24.04",
        "labels": {"a": "b", "c": "d"},
    }
    expected |= {"docker_volume_size": 5, "floating_ip_enabled": False, "master_lb_enabled": True}
    expected |= {"cluster_distro": "ubuntu", "dns_nameserver": "8.8.4.4", "volume_driver": "cinder", "public": False}
    assert {name: made[name] for name in expected} == expected
    assert sorted(made["tags"].split(",")) == ["x", "y"]  # this client sends them in any order
    assert (await coe("cluster template show k8s -f json")).json() == made
    (listed,) = (await coe("cluster template list -f json --fields coe,image_id")).json()
    assert listed == {
        "uuid": made["uuid"],
        "name": "k8s",
        "tags": made["tags"],
        "coe": "kubernetes",
        "image_id": "ubuntu-24.04",
    }

    change = "--name k9s --docker-volume-size 7 --label e=f --no-label a --tag one --tag two --tls-disabled"
    changed = (await coe(f"cluster template update k8s {change} --floating-ip-enabled -f json")).json()
    expected = {"name": "k9s", "docker_volume_size": 7, "labels": {"c": "d", "e": "f"}, "tags": "one,two"}
    expected |= {"tls_disabled": True, "floating_ip_enabled": True}
    assert {name: changed[name] for name in expected} == expected
    (await coe("cluster template update k9s --public")).refused("Not authorized to set public or hidden flag")
    (await coe(f"cluster template create bad {TEMPLATE} --volume-driver nfs")).refused("HTTP 400")
    (await coe(f"cluster template create plain {TEMPLATE}")).ok()
    first = (await coe("cluster template list --sort-key name --sort-dir desc --limit 1 -f json")).json()
    assert [row["name"] for row in first] == ["plain"]
    deleted = (await coe("cluster template delete k9s plain")).ok()
    assert "Request to delete cluster template k9s has been accepted." in deleted
    (await coe("cluster template show k9s")).refused("ClusterTemplate k9s could not be found")
    assert (await coe("cluster template list -f json")).json() == []


async def test_creating_and_showing_clusters(coe: Coe, api: Deps, cluster: str) -> None:
    options = "--master-count 3 --node-count 2 --keypair lab --timeout 5 --flavor m1.medium --master-flavor m1.large"
    options += " --labels x=y --merge-labels --docker-volume-size 6 --floating-ip-disabled --master-lb-enabled"
    (await coe(f"cluster create c2 --cluster-template k8s {options}")).ok()
    shown = (await coe("cluster show c2 -f json")).json()
    assert set(shown) == set(CLUSTER_ATTRIBUTES)
    expected = {"name": "c2", "status": "CREATE_IN_PROGRESS", "master_count": 3, "node_count": 2, "keypair": "lab"}
    expected |= {"create_timeout": 5, "flavor_id": "m1.medium", "master_flavor_id": "m1.large", "faults": ""}
    expected |= {"labels": {"a": "b", "x": "y"}, "labels_added": {"x": "y"}, "docker_volume_size": 6}
    expected |= {"floating_ip_enabled": False, "master_lb_enabled": True, "api_address": None}
    assert {name: shown[name] for name in expected} == expected
    listed = (await coe("cluster list --sort-key name --sort-dir desc --limit 1 -f json")).json()
    assert [(list(row), row["name"]) for row in listed] == [(CLUSTERS, "c2")]
    assert [row["name"] for row in (await coe("cluster list -f json")).json()] == ["c1", "c2"]
    (await coe("cluster create bad --cluster-template none")).refused("ClusterTemplate none could not be found")
    (await coe("cluster create bad --cluster-template k8s --flavor none")).refused("Unable to find flavor none")
    (await coe("cluster create bad --cluster-template k8s --keypair none")).refused("Unable to find keypair none")
    (await coe("cluster list --sort-key nothing")).refused("HTTP 400")
    # magnumclient tells of this failure and still ends with 0.
    assert "is referenced by one or multiple clusters" in (await coe("cluster template delete k8s")).output
    said = (await coe("cluster delete c1 c2")).ok()
    assert said.splitlines() == [f"Request to delete cluster {name} has been accepted." for name in ("c1", "c2")]
    assert (await coe("cluster show c1 -f value -c status")).ok().strip() == "DELETE_IN_PROGRESS"


async def test_changing_clusters(coe: Coe, api: Deps, cluster: str) -> None:
    async def status() -> tuple[str, int]:
        shown = (await coe("cluster show c1 -f json")).json()
        return shown["status"], shown["node_count"]

    accepted = (await coe("cluster update c1 --node-count 3")).ok()
    assert accepted.strip() == "Request to update cluster c1 has been accepted."
    assert await status() == ("UPDATE_IN_PROGRESS", 3)
    await finish(api, cluster, "UPDATE_COMPLETE")
    accepted = (await coe("cluster resize c1 2")).ok()
    assert accepted.strip() == "Request to resize cluster c1 has been accepted."
    assert await status() == ("UPDATE_IN_PROGRESS", 2)
    await finish(api, cluster, "UPDATE_COMPLETE")
    (await coe("cluster update c1 --node-count 4 --rollback")).ok()
    assert await status() == ("UPDATE_IN_PROGRESS", 4)
    await finish(api, cluster, "UPDATE_COMPLETE")

    (await coe("cluster update c1 --name renamed --label boot_volume_size=10 --no-label a")).ok()
    shown = (await coe("cluster show renamed -f json")).json()
    assert (shown["name"], shown["labels"]) == ("renamed", {"boot_volume_size": "10"})
    (await coe("cluster update renamed --master-count 3")).refused("Resizing the master nodegroup is not supported")
    (await coe("cluster update renamed --label kube_tag=v1.99.0")).refused("HTTP 400")
    (await coe("cluster update renamed")).refused("Nothing to update.")
    (await coe("cluster resize renamed 3 --nodes-to-remove nobody")).refused("nobody")
    (await coe("cluster resize renamed 3 --nodegroup nothing")).refused("Nodegroup nothing could not be found")
    (await coe("cluster update nothing --node-count 2")).refused("Cluster nothing could not be found")


async def test_upgrading_and_rotating(coe: Coe, api: Deps, cluster: str) -> None:
    (await coe(f"cluster template create newer {TEMPLATE} --labels kube_tag=v1.35.0 --master-lb-enabled")).ok()
    accepted = (await coe("cluster upgrade c1 newer --max-batch-size 2")).ok()
    assert accepted.strip() == "Request to upgrade cluster c1 has been accepted."
    assert (await coe("cluster show c1 -f value -c status")).ok().strip() == "UPDATE_IN_PROGRESS"
    (await coe("cluster upgrade c1 newer")).refused('Upgrading a cluster when status is "UPDATE_IN_PROGRESS" is not')
    await finish(api, cluster, "UPDATE_COMPLETE")
    (await coe("cluster upgrade c1 none")).refused("ClusterTemplate none could not be found")

    accepted = (await coe("ca rotate c1")).ok()
    assert accepted.strip() == f"Request to rotate the CA certificate for cluster {cluster} has been accepted."
    assert (await coe("cluster show c1 -f value -c status")).ok().strip() == "UPDATE_IN_PROGRESS"
    (await coe("ca rotate c1")).refused('Updating a cluster when status is "UPDATE_IN_PROGRESS" is not supported')
    await finish(api, cluster, "UPDATE_COMPLETE")
    (await coe("ca rotate nothing")).refused("Cluster nothing could not be found")

    accepted = (await coe("credential rotate c1")).ok()
    assert accepted.strip() == f"Request to rotate credentials for cluster {cluster} accepted."
    # magnumclient tells of this failure and still ends with 0.
    failed = 'Credential rotation failed: Updating a cluster when status is "UPDATE_IN_PROGRESS" is not supported'
    assert failed in (await coe("credential rotate c1")).output
    await finish(api, cluster, "UPDATE_COMPLETE")


async def test_certificates_and_configuration(coe: Coe, api: Deps, cluster: str, tmp_path: Path) -> None:
    authority = x509.load_pem_x509_certificate((await coe("ca show c1")).ok().encode())
    (tmp_path / "ops.csr").write_text(make_csr("ops", "operators"))
    signed = x509.load_pem_x509_certificate((await coe("ca sign c1", str(tmp_path / "ops.csr"))).ok().encode())
    signed.verify_directly_issued_by(authority)
    assert signed.subject.rfc4514_string() == "O=operators,CN=ops"
    (tmp_path / "bad.csr").write_text("no request")
    (await coe("ca sign c1", str(tmp_path / "bad.csr"))).refused("Received invalid csr")
    assert (await coe("ca sign c1 missing.csr")).ok().strip() == "A CSR must be provided."

    for kind in ("--use-certificate", "--use-keystone"):
        place = tmp_path / kind
        place.mkdir()
        said = (await coe(f"cluster config c1 {kind} --output-certs", "--dir", str(place))).ok()
        assert said.strip() == f"export KUBECONFIG={place}/config"
        assert "https://203.0.113.7:6443" in (place / "config").read_text()
        assert sorted(file.name for file in place.iterdir()) == (
            ["ca.pem", "cert.pem", "config", "key.pem"] if kind == "--use-certificate" else ["ca.pem", "config"]
        )
    (await coe("cluster config c1", "--dir", str(place))).refused("aborting")
    (await coe("cluster config c1 --force", "--dir", str(place))).ok()


async def test_nodegroups(coe: Coe, api: Deps, cluster: str) -> None:
    listed = (await coe("nodegroup list c1 -f json")).json()
    assert [list(row) for row in listed] == [
        ["uuid", "name", "flavor_id", "image_id", "node_count", "status", "role"]
    ] * 2
    assert [row["name"] for row in listed] == ["default-master", "default-worker"]
    assert [row["name"] for row in (await coe("nodegroup list c1 --role worker -f json")).json()] == ["default-worker"]

    options = "--node-count 2 --min-nodes 1 --max-nodes 5 --role gpu --flavor m1.medium --labels x=y --merge-labels"
    options += " --node-labels tier=gold --node-taints dedicated=gpu:NoSchedule --node-taints spot:NoExecute"
    said = (await coe(f"nodegroup create c1 gpu {options}")).ok()
    shown = (await coe("nodegroup show c1 gpu -f json")).json()
    assert said.strip() == f"Request to create nodegroup {shown['uuid']} accepted"
    assert set(shown) == set(NODEGROUP_ATTRIBUTES)
    expected = {
        "node_count": 2,
        "min_node_count": 1,
        "max_node_count": 5,
        "role": "gpu",
        "status": "CREATE_IN_PROGRESS",
    }
    expected |= {"labels": {"a": "b", "x": "y"}, "node_labels": {"tier": "gold"}, "is_default": False}
    expected |= {"flavor_id": "m1.medium"}
    assert {name: shown[name] for name in expected} == expected
    taints = [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}, {"key": "spot", "effect": "NoExecute"}]
    assert [{key: value for key, value in taint.items() if value} for taint in shown["node_taints"]] == taints
    await finish(api, cluster, "UPDATE_COMPLETE")

    said = (await coe("nodegroup update c1 gpu --min-nodes 0 --max-nodes 9 --node-labels tier=iron")).ok()
    assert said.strip() == "Request to update nodegroup gpu has been accepted."
    shown = (await coe("nodegroup show c1 gpu -f json")).json()
    assert (shown["min_node_count"], shown["max_node_count"], shown["node_labels"]) == (0, 9, {"tier": "iron"})
    assert shown["status"] == "UPDATE_IN_PROGRESS"
    await finish(api, cluster, "UPDATE_COMPLETE")
    (await coe("nodegroup create c1 gpu")).refused("A node group with name gpu already exists")
    (await coe("nodegroup delete c1 default-worker")).refused("Deleting a default nodegroup is not supported")
    (await coe("cluster resize c1 20 --nodegroup gpu")).refused("Resizing gpu outside the allowed range")
    (await coe("nodegroup show c1 nothing")).refused("Nodegroup nothing could not be found")
    assert (await coe("nodegroup delete c1 gpu")).ok().strip() == "Request to delete nodegroup gpu has been accepted."
    assert (await coe("nodegroup show c1 gpu -f value -c status")).ok().strip() == "DELETE_IN_PROGRESS"


async def test_microversions(coe: Coe, api: Deps, cluster: str) -> None:
    """What each of them gates, as this client meets it."""
    allowed: dict[str, list[str]] = {}
    commands = {
        "resize": "cluster resize c1 1",
        "nodegroups": "nodegroup list c1",
        "no workers": "cluster resize c1 0",
        "rollback": "cluster update c1 --node-count 1 --rollback",
        "credentials": "credential rotate c1",
        "upgrade": "cluster upgrade c1 k8s",
    }
    for version in ("1.1", "1.7", "1.9", "1.13", None):  # without one this client asks for the latest
        shown = (await coe("cluster show c1 -f json", version=version)).json()
        assert (shown["uuid"], set(shown)) == (cluster, set(CLUSTER_ATTRIBUTES))
        for what, command in commands.items():
            ran = await coe(command, version=version)
            if ran.status == 0 and "failed" not in ran.output:
                allowed.setdefault(what, []).append(version or "latest")
            await finish(api, cluster, "UPDATE_COMPLETE")
    latest = ["1.13", "latest"]
    assert allowed == {
        "resize": ["1.7", "1.9", *latest],
        "nodegroups": ["1.9", *latest],
        "no workers": latest,
        "rollback": ["1.7", "1.9", *latest],
        "credentials": latest,
        "upgrade": ["1.9", *latest],
    }
    (await coe("cluster list", version="1.99")).refused("")


async def test_the_socket_is_closed_while_nobody_asks(api: Deps) -> None:
    """A client that goes away in the middle of a body leaves no trace."""
    _, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"POST /v1/nodes/x/reports HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        answer = await client.get(f"http://127.0.0.1:{PORT}/livez")
    assert answer.status_code == 200
