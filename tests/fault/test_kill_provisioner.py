"""SIGKILL at every named moment of one create and one delete: the cluster ends right, once, with nothing left over.

The process that takes over after one death is armed for the next moment, so a single cluster lives through them all:
every step is begun, killed before its work, done, and killed before its record.
"""

from __future__ import annotations

import asyncio
import signal

import asyncpg
import pytest

from sandbox.layout import SERVICES
from sandbox.run import Sandbox
from services.provisioner.plan import CreatePlan, DeletePlan
from shared.cloud.names import base_stack, shard_stack
from shared.cloud.sdk import OpenStackCloudFactory
from shared.steps.step_plan import StepPlan
from tests.support.client import Client
from tests.support.cloud_view import left_behind, stacks_of
from tests.support.killing import die_at_each, points
from tests.support.sandboxes import module_client, module_clouds, module_sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]

CREATE_POINTS = points(
    CreatePlan,
    # Once for the shards: they are sent at the same time, so a second one may be there already.
    {"submit_base_stack": ["stack.created"], "create_node_stacks": ["stack.created"]},
)
DELETE_POINTS = points(
    DeletePlan,
    {"delete_node_stacks": ["stack.delete_sent"], "delete_base_stack": ["stack.delete_sent"]},
)


# Plan -> the moments at which a test here kills it.
KILLED: dict[type[StepPlan], list[str]] = {CreatePlan: CREATE_POINTS, DeletePlan: DELETE_POINTS}
QUICK = {"JEROBOAM_LEASE_SECONDS": "1.5", "JEROBOAM_POLL_SECONDS": "0.3"}
sandbox = module_sandbox(restart=False, extra_environment={"provisioner": QUICK})
client = module_client()
clouds = module_clouds()


async def test_a_create_and_a_delete_killed_at_every_moment(
    sandbox: Sandbox, client: Client, clouds: OpenStackCloudFactory
) -> None:
    await sandbox.children["provisioner"].stop()
    cluster = await client.create()
    await die_at_each(sandbox, "provisioner", CREATE_POINTS)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    shown = await client.get(f"/v1/clusters/{cluster}")
    assert await stacks_of(clouds, shown["project_id"], cluster) == {
        base_stack(cluster): 1,
        shard_stack(cluster, "default-master", 0): 1,
        shard_stack(cluster, "default-worker", 0): 1,
    }
    nodes = (await client.get(f"/v1/clusters/{cluster}/nodes"))["nodes"]
    assert [node["state"] for node in nodes] == ["joined"] * 3
    assert len({node["server_id"] for node in nodes}) == 3
    types = [event["type"] for event in await client.events(cluster)]
    for once in ("create.requested", "create.started", "create.completed"):
        assert types.count(f"io.jeroboam.cluster.{once}.v1") == 1

    await sandbox.children["provisioner"].stop()
    await client.delete(cluster)
    await die_at_each(sandbox, "provisioner", DELETE_POINTS)
    assert await client.settled(cluster) is None
    assert await left_behind(clouds, shown["project_id"], cluster) == []
    types = [event["type"] for event in await client.events(cluster)]
    assert types.count("io.jeroboam.cluster.delete.completed.v1") == 1
    assert types[-1] == "io.jeroboam.cluster.delete.completed.v1"
    print(f"{len(CREATE_POINTS)} + {len(DELETE_POINTS)} kills, one cluster")


async def test_the_relay_killed_between_publishing_and_marking(sandbox: Sandbox, client: Client) -> None:
    """What it had claimed goes out again under the same ids when its lease has run out; nothing is done twice."""
    provisioner = sandbox.children["provisioner"]
    await provisioner.stop()
    provisioner.arm({"JEROBOAM_CRASH_AT": "relay.published"})
    provisioner.start()
    cluster = await client.create()
    # Every process has a relay, and any of them may publish an event first. While the others stand still, what the
    # create goes on to tell can only be published by the provisioner; nodes cannot join, so the create cannot end.
    others = [sandbox.children[name] for name in ("api", *SERVICES) if name != "provisioner"]
    for other in others:
        other.send(signal.SIGSTOP)
    connection = await asyncpg.connect(sandbox.database_url)
    claimed = "SELECT seq FROM events WHERE cluster_id = $1 AND published_at IS NULL AND publish_attempts = 1"
    try:
        # What another process had claimed when it was stopped, it marks itself when it continues.
        theirs = {row["seq"] for row in await connection.fetch(claimed, cluster)}
        assert await provisioner.wait(60) == -signal.SIGKILL
        found = {row["seq"] for row in await connection.fetch(claimed, cluster)}
        unmarked = sorted(found - theirs or found)
        assert unmarked
        await connection.execute("UPDATE events SET lease_until = now() WHERE seq = ANY($1)", unmarked)
    finally:
        for other in others:
            other.send(signal.SIGCONT)
    provisioner.start()
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    async with asyncio.timeout(30):
        while await connection.fetchval(
            "SELECT count(*) FROM events WHERE cluster_id = $1 AND published_at IS NULL", cluster
        ):
            await asyncio.sleep(0.05)
    attempts = await connection.fetch("SELECT publish_attempts FROM events WHERE seq = ANY($1)", unmarked)
    assert {row["publish_attempts"] for row in attempts} == {2}
    await connection.close()
    types = [event["type"] for event in await client.events(cluster)]
    assert types.count("io.jeroboam.cluster.create.completed.v1") == 1
    await client.delete(cluster)
    assert await client.settled(cluster) is None
