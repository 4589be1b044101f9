"""SIGKILL at every named moment of one resize that adds, removes and deletes, and of what is done to a nodegroup: each
ends right, once, with no orphan."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.run import Sandbox
from services.scaler.plan import NodegroupCreatePlan, NodegroupDeletePlan, NodegroupUpdatePlan, ResizePlan
from shared.cloud.names import base_stack, shard_stack
from shared.cloud.sdk import OpenStackCloudFactory
from shared.steps.step_plan import StepPlan
from tests.support.client import Client
from tests.support.cloud_view import left_behind, stacks_of
from tests.support.killing import die_at_each, points
from tests.support.sandboxes import module_client, module_clouds, module_sandbox
from tests.support.scaling import scaling

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]

# One stack at a time, so that each is sent in a life of its own: the shard left empty, the one changed, the new one.
MOMENTS = points(
    ResizePlan,
    {"update_node_stacks": ["stack.delete_sent", "stack.driven_again", "stack.created"]},
)
OTHERS = (NodegroupCreatePlan, NodegroupUpdatePlan, NodegroupDeletePlan)
# Plan -> the moments at which a test here kills it.
KILLED: dict[type[StepPlan], list[str]] = {ResizePlan: MOMENTS, **{plan: points(plan, {}) for plan in OTHERS}}


PAIRS = {"JEROBOAM_NODES_PER_STACK": "2"}
QUICK = PAIRS | {
    "JEROBOAM_LEASE_SECONDS": "1.5",
    "JEROBOAM_POLL_SECONDS": "0.3",
    "JEROBOAM_STACK_CONCURRENCY": "1",
}
ENVIRONMENT = {"api": PAIRS, "provisioner": PAIRS, "scaler": QUICK}
sandbox = module_sandbox(restart=False, extra_environment=ENVIRONMENT)
client = module_client()
clouds = module_clouds()


async def test_a_resize_killed_at_every_moment(sandbox: Sandbox, client: Client, clouds: OpenStackCloudFactory) -> None:
    cluster = await client.create(node_count=5)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    project = (await client.get(f"/v1/clusters/{cluster}"))["project_id"]
    before = await workers(client, cluster)

    await sandbox.children["scaler"].stop()
    async with scaling(sandbox) as scale:
        await scale.resize(cluster, 6, remove=[before[2]["uuid"], before[3]["uuid"]])
    await die_at_each(sandbox, "scaler", MOMENTS)
    assert await client.settled(cluster) == "UPDATE_COMPLETE"

    after = await workers(client, cluster)
    assert sorted(after) == [0, 1, 4, 5, 6, 7]
    assert {node["state"] for node in after.values()} == {"joined"}
    assert {index: after[index]["server_id"] for index in (0, 1, 4)} == {
        index: before[index]["server_id"] for index in (0, 1, 4)
    }
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    servers = await clouds.for_project(project).list_servers(cluster_id=cluster)
    assert {server.id for server in servers} == {node["server_id"] for node in nodes}
    assert await stacks_of(clouds, project, cluster) == {
        base_stack(cluster): 1,
        shard_stack(cluster, "default-master", 0): 1,
        **{shard_stack(cluster, "default-worker", number): 1 for number in (0, 2, 3)},
    }
    types = [event["type"].removeprefix("io.jeroboam.") for event in await client.events(cluster)]
    for word in ("requested", "started", "completed"):
        assert types.count(f"cluster.resize.{word}.v1") == 1
    assert types.count("node.drained.v1") == types.count("node.removed.v1") == 2
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    assert await left_behind(clouds, project, cluster) == []


async def test_a_nodegroup_killed_at_every_moment(
    sandbox: Sandbox, client: Client, clouds: OpenStackCloudFactory
) -> None:
    cluster = await client.create(node_count=1)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    path = f"/v1/clusters/{cluster}/nodegroups"
    labels = [{"op": "add", "path": "/node_labels", "value": {"rack": "r1"}}]
    requests = (
        ("POST", path, {"name": "extra", "node_count": 2}),
        ("PATCH", f"{path}/extra", labels),
        ("DELETE", f"{path}/extra", None),
    )
    for plan, (method, url, body) in zip(OTHERS, requests, strict=True):
        await sandbox.children["scaler"].stop()
        accepted = await client.call(method, url, json=body)
        assert accepted.status_code in (202, 204), accepted.text
        await die_at_each(sandbox, "scaler", KILLED[plan])
        assert await client.settled(cluster) == "UPDATE_COMPLETE"
        types = [event["type"].removeprefix("io.jeroboam.") for event in await client.events(cluster)]
        noun, verb = str(plan.kind).split("_")
        for word in ("requested", "started", "completed"):
            assert types.count(f"{noun}.{verb}.{word}.v1") == 1
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    project = (await client.get(f"/v1/clusters/{cluster}"))["project_id"]
    servers = await clouds.for_project(project).list_servers(cluster_id=cluster)
    assert {server.id for server in servers} == {node["server_id"] for node in nodes}
    assert len(nodes) == 2
    await client.delete(cluster)
    assert await client.settled(cluster) is None
    assert await left_behind(clouds, project, cluster) == []


async def workers(client: Client, cluster: str) -> dict[int, dict[str, Any]]:
    """Index -> node."""
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    return {node["index"]: node for node in nodes if node["role"] == "worker"}
