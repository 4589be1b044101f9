"""Upgrade and rotation on the sandbox: asked for over HTTP, done by simulated agents, seen in Keystone."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from cryptography import x509

from sandbox.run import Sandbox
from tests.support.client import Client
from tests.support.cloud_view import cloud_of, credentials_of, left_behind
from tests.support.sandboxes import module_client, module_sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
]


sandbox = module_sandbox()
client = module_client()


async def nodes(client: Client, cluster: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    return found


async def test_a_cluster_is_upgraded_in_place_and_deleted_afterwards(client: Client, sandbox: Sandbox) -> None:
    await client.template(name="old", labels={"kube_tag": "v1.33.1"}, master_lb_enabled=True)
    cluster = await client.create("ageing", node_count=4, master_count=3)
    new = await client.template(name="new", labels={"kube_tag": "v1.34.2"}, master_lb_enabled=True)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    before = {node["name"]: node["server_id"] for node in await nodes(client, cluster)}
    path = f"/v1/clusters/{cluster}/actions/upgrade"

    accepted = await client.call("POST", path, json={"cluster_template": "new", "max_batch_size": 2})
    assert (accepted.status_code, accepted.json()) == (202, {"uuid": cluster}), accepted.text
    assert await client.status(cluster) == "UPDATE_IN_PROGRESS"
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    shown = await client.get(f"/v1/clusters/{cluster}")
    assert (shown["coe_version"], shown["cluster_template_id"]) == ("v1.34.2", new)
    assert shown["labels"]["kube_tag"] == "v1.34.2"
    after = await nodes(client, cluster)
    assert {node["name"]: node["server_id"] for node in after} == before, "the machines are the same"
    assert {node["version"] for node in after} == {"v1.34.2"}

    back = await client.call("POST", path, json={"cluster_template": "old"})
    assert back.status_code == 400
    assert "does not support downgrades" in back.text
    project = shown["project_id"]
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    async with cloud_of(sandbox.layout) as clouds:
        assert await left_behind(clouds, project, cluster) == []


async def test_a_credential_is_replaced_and_none_stays_behind(client: Client, sandbox: Sandbox) -> None:
    cluster = await client.create("rotating", node_count=1)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    (old,) = await credentials_of(sandbox.layout, cluster)
    accepted = await client.call("PATCH", f"/v1/credentials/{cluster}")
    assert (accepted.status_code, accepted.json()) == (202, {"uuid": cluster}), accepted.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    (new,) = await credentials_of(sandbox.layout, cluster)
    assert new != old
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    assert await credentials_of(sandbox.layout, cluster) == []


async def authorities(client: Client, cluster: str) -> list[str]:
    kinds = ("kubernetes", "etcd", "front-proxy")
    return [(await client.get(f"/v1/certificates/{cluster}?ca_cert_type={kind}"))["pem"] for kind in kinds]


async def own_certificate(client: Client, cluster: str) -> x509.Certificate:
    """The certificate in a client configuration made now."""
    config = yaml.safe_load((await client.get(f"/v1/clusters/{cluster}/config"))["content"])
    pem = base64.b64decode(config["users"][0]["user"]["client-certificate-data"])
    return x509.load_pem_x509_certificate(pem)


async def test_authorities_are_replaced_and_the_old_ones_are_not_trusted(client: Client, sandbox: Sandbox) -> None:
    await client.template(name="three", master_lb_enabled=True)
    cluster = await client.create("trusting", node_count=3, master_count=3)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    before, mine = await authorities(client, cluster), await own_certificate(client, cluster)
    mine.verify_directly_issued_by(x509.load_pem_x509_certificate(before[0].encode()))

    # As the client sends it: no body, and not as JSON.
    accepted = await client.call(
        "PATCH", f"/v1/certificates/{cluster}", headers={"Content-Type": "application/octet-stream"}
    )
    assert (accepted.status_code, accepted.json()) == (202, {"uuid": cluster}), accepted.text
    assert await client.status(cluster) == "UPDATE_IN_PROGRESS"
    assert await client.settled(cluster) == "UPDATE_COMPLETE"

    after, mine = await authorities(client, cluster), await own_certificate(client, cluster)
    assert not set(before) & set(after)
    assert [pem.count("BEGIN CERTIFICATE") for pem in after] == [1, 1, 1]
    mine.verify_directly_issued_by(x509.load_pem_x509_certificate(after[0].encode()))
    with pytest.raises(ValueError, match="subject does not match"):
        mine.verify_directly_issued_by(x509.load_pem_x509_certificate(before[0].encode()))
    events = (await client.get(f"/v1/events?cluster={cluster}&type=cluster.rotate_ca.*"))["events"]
    types = [event["type"].removeprefix("io.jeroboam.cluster.rotate_ca.") for event in events]
    assert (types[0], types[-1]) == ("requested.v1", "completed.v1")
    assert {node["state"] for node in await nodes(client, cluster)} == {"joined"}
