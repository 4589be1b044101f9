"""SIGKILL at every named moment of an upgrade and of both rotations: each ends right, and is done once."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from services.upgrader.plan import RotateCaPlan, RotateCredentialsPlan, UpgradePlan
from shared.cloud.sdk import OpenStackCloudFactory
from shared.steps.step_plan import StepPlan
from tests.support.client import Client
from tests.support.cloud_view import credentials_of
from tests.support.killing import die_at_each, points
from tests.support.sandboxes import module_client, module_clouds, module_sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]


# Plan -> the moments at which a test here kills it.
# A master and two workers are replaced: each time a stack gets one node more, then one less.
STACKS = {
    "replace_control_nodes": ["surge.added", "stack.driven_again", "surge.marked", "stack.driven_again"],
    "replace_other_nodes": ["surge.added", "stack.driven_again", "surge.marked", "stack.driven_again"],
}
KILLED: dict[type[StepPlan], list[str]] = {
    UpgradePlan: points(UpgradePlan, STACKS),
    **{plan: points(plan, {}) for plan in (RotateCaPlan, RotateCredentialsPlan)},
}
QUICK = {"JEROBOAM_LEASE_SECONDS": "1.5", "JEROBOAM_POLL_SECONDS": "0.3"}
sandbox = module_sandbox(restart=False, extra_environment={"upgrader": QUICK})
client = module_client()
clouds = module_clouds()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(client: Client) -> str:
    await client.template(name="old", labels={"kube_tag": "v1.33.1"}, image_id="ubuntu-22.04", master_lb_enabled=True)
    made = await client.create(node_count=2)
    assert await client.settled(made) == "CREATE_COMPLETE"
    return made


async def killed_at_every_moment(
    client: Client, cluster: str, plan: type[UpgradePlan | RotateCaPlan | RotateCredentialsPlan], *request: Any
) -> None:
    """Ask while no upgrader lives, then let one die at each moment in turn."""
    upgrader = client.sandbox.children["upgrader"]
    await upgrader.stop()
    method, path, body = request
    accepted = await client.call(method, path, json=body)
    assert accepted.status_code == 202, accepted.text
    await die_at_each(client.sandbox, "upgrader", KILLED[plan])
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    types = [event["type"].removeprefix("io.jeroboam.") for event in await client.events(cluster)]
    for word in ("requested", "started", "completed"):
        assert types.count(f"cluster.{plan.kind}.{word}.v1") == 1


async def test_an_upgrade(client: Client, cluster: str, clouds: OpenStackCloudFactory) -> None:
    await client.template(name="new", labels={"kube_tag": "v1.34.2"}, master_lb_enabled=True)
    path = f"/v1/clusters/{cluster}/actions/upgrade"
    await killed_at_every_moment(client, cluster, UpgradePlan, "POST", path, {"cluster_template": "new"})
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    assert {node["version"] for node in nodes} == {"v1.34.2"}
    assert sorted((node["role"], node["index"]) for node in nodes) == [("master", 1), ("worker", 2), ("worker", 3)]
    project = (await client.get(f"/v1/clusters/{cluster}"))["project_id"]
    servers = await clouds.for_project(project).list_servers(cluster_id=cluster)
    assert {server.id for server in servers} == {node["server_id"] for node in nodes}
    types = [event["type"].removeprefix("io.jeroboam.") for event in await client.events(cluster)]
    assert types.count("node.drained.v1") == types.count("node.removed.v1") == 3


async def test_a_rotation_of_authorities(client: Client, cluster: str) -> None:
    before = (await client.get(f"/v1/certificates/{cluster}"))["pem"]
    await killed_at_every_moment(client, cluster, RotateCaPlan, "PATCH", f"/v1/certificates/{cluster}", None)
    after = (await client.get(f"/v1/certificates/{cluster}"))["pem"]
    assert after.count("BEGIN CERTIFICATE") == 1
    assert after != before


async def test_a_rotation_of_the_credential(client: Client, cluster: str) -> None:
    (old,) = await credentials_of(client.sandbox.layout, cluster)
    await killed_at_every_moment(client, cluster, RotateCredentialsPlan, "PATCH", f"/v1/credentials/{cluster}", None)
    (new,) = await credentials_of(client.sandbox.layout, cluster)
    assert new != old
