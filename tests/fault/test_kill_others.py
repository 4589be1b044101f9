"""SIGKILL of the API, RabbitMQ and Postgres while a cluster is built: each comes back, and the cluster ends right."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox.rabbitmq import RabbitServer
from sandbox.run import Sandbox, running_sandbox
from tests.support import warm
from tests.support.brokers import running_broker
from tests.support.client import Client
from tests.support.cloud_view import cloud_of, left_behind, stacks_of
from tests.support.sandboxes import module_client

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitServer]:
    with running_broker() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(broker: RabbitServer) -> AsyncIterator[Sandbox]:
    quick = {"JEROBOAM_LEASE_SECONDS": "3", "JEROBOAM_POLL_SECONDS": "0.5"}
    # Postgres is killed here, so this one is durable.
    options: dict[str, Any] = {"restart": False, "extra_environment": {"provisioner": quick}, "launch": warm.launch}
    async with running_sandbox(amqp_url=broker.url, **options) as running:
        yield running


client = module_client()


async def under_way(client: Client, name: str) -> str:
    """A cluster whose base stack is being built."""
    cluster = await client.create(name)
    async with asyncio.timeout(60):
        while (await client.operations(cluster))[0]["step"] in (None, "submit_base_stack", "create_secrets"):
            await asyncio.sleep(0.05)
    return cluster


async def ends_right(client: Client, cluster: str) -> None:
    assert await client.settled(cluster, 120) == "CREATE_COMPLETE"
    project = (await client.get(f"/v1/clusters/{cluster}"))["project_id"]
    async with cloud_of(client.sandbox.layout) as clouds:
        stacks = await stacks_of(clouds, project, cluster)
        assert sorted(stacks.values()) == [1, 1, 1]
        await client.delete(cluster)
        assert await client.settled(cluster, 120) is None
        assert await left_behind(clouds, project, cluster) == []
    types = [event["type"] for event in await client.events(cluster)]
    assert types.count("io.jeroboam.cluster.create.completed.v1") == 1


async def test_the_api(client: Client, sandbox: Sandbox) -> None:
    cluster = await under_way(client, "api")
    api = sandbox.children["api"]
    api.send(signal.SIGKILL)
    await api.wait(10)
    api.start()
    await ends_right(client, cluster)


async def test_the_broker(client: Client, broker: RabbitServer) -> None:
    cluster = await under_way(client, "broker")
    await asyncio.to_thread(broker.kill)
    during = await client.create("without-a-broker")
    await asyncio.to_thread(broker.start)
    await ends_right(client, cluster)
    await ends_right(client, during)


async def test_postgres(client: Client, sandbox: Sandbox) -> None:
    cluster = await under_way(client, "postgres")
    sandbox.postgres.kill()
    await asyncio.sleep(1)
    await sandbox.postgres.start()
    await ends_right(client, cluster)


async def test_a_service_asked_to_stop_ends_in_time_and_in_order(client: Client, sandbox: Sandbox) -> None:
    """SIGTERM in the middle of a step: status 0, well within the budget, and its operation is handed back at once."""
    cluster = await under_way(client, "drained")
    provisioner = sandbox.children["provisioner"]
    provisioner.send(signal.SIGTERM)
    assert await provisioner.wait(25) == 0
    operation = (await client.operations(cluster))[0]
    assert operation["state"] in ("waiting", "queued")
    provisioner.start()
    await ends_right(client, cluster)
