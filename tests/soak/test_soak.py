"""Users change clusters while everything fails, then an audit. `make test-soak` does it for 15 minutes, and
JEROBOAM_TEST_SOAK_SECONDS sets the time; by default it is the short form that is part of `make test`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator

import pytest

from sandbox.rabbitmq import RabbitServer
from sandbox.run import Sandbox, running_sandbox
from tests.soak.audit import growing, problems
from tests.soak.chaos import Chaos
from tests.soak.traffic import Record, users
from tests.support.client import demo_client
from tests.support.skewed import launch_skewed

SECONDS = float(os.environ.get("JEROBOAM_TEST_SOAK_SECONDS", "30"))
SEED = int(os.environ.get("JEROBOAM_TEST_SOAK_SEED", str(int(time.time()))))
USERS = 4
# Minutes that the clocks of processes are ahead.
CLOCKS = {"services.provisioner": 70, "services.upgrader": -20}
QUICK = {"JEROBOAM_LEASE_SECONDS": "4", "JEROBOAM_POLL_SECONDS": "0.5"}

pytestmark = pytest.mark.timeout(SECONDS + 900)


@pytest.fixture
async def sandbox(broker: RabbitServer) -> AsyncIterator[Sandbox]:
    services = ("api", "provisioner", "scaler", "upgrader", "monitor", "notifier")
    async with running_sandbox(
        amqp_url=broker.url, extra_environment=dict.fromkeys(services, QUICK), launch=launch_skewed(CLOCKS), heartbeat=5
    ) as running:
        yield running


async def test_nothing_is_lost_whatever_fails(sandbox: Sandbox, broker: RabbitServer) -> None:
    record, chaos = Record(), Chaos(sandbox, broker, SEED)
    print(f"seed {SEED}")
    async with demo_client(sandbox) as client:
        trouble = asyncio.create_task(chaos.run())
        try:
            await users(client, record, number=USERS, seconds=SECONDS, seed=SEED)
        finally:
            trouble.cancel()
            await asyncio.gather(trouble, return_exceptions=True)
    print(f"{sum(record.done.values())} operations on {len(record.clusters)} clusters: {dict(record.done)}")
    print(f"meanwhile: {dict(chaos.done)}")
    print(f"memory, MiB: { {name: (min(found), max(found)) for name, found in chaos.memory.items()} }")
    assert record.clusters
    assert record.failures == []
    assert await problems(sandbox, record.clusters) == []
    assert growing(chaos.memory) == []
