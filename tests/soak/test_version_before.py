"""An update without downtime: the database is migrated under the processes of the version before, those of this one
are started beside them, and the old ones are stopped, while users create, change and delete clusters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from sandbox.layout import SERVICES, service_environment
from sandbox.ports import free_port
from sandbox.processes import ChildProcess
from sandbox.rabbitmq import RabbitServer
from sandbox.run import Sandbox, running_sandbox
from shared.db.migrate import migrate
from tests.soak.audit import problems
from tests.soak.traffic import Record, users
from tests.support import version_before, warm
from tests.support.client import demo_client

PHASE_SECONDS = 12.0
USERS = 3

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not version_before.in_history(), reason="the version before is not in this clone"),
]


def this_version(sandbox: Sandbox, name: str, port: int) -> ChildProcess:
    """A process of this version beside that of the version before."""
    environment = service_environment(sandbox.layout, sandbox.database_url)
    environment |= {"JEROBOAM_HEARTBEAT_SECONDS": "5"}
    environment["JEROBOAM_API_PORT" if name == "api" else "JEROBOAM_SERVICE_PORT"] = str(port)
    log = sandbox.layout.directory / "logs" / f"{name}-new.log"
    child = ChildProcess(f"new {name}", f"services.{name}", [], environment, log, launch=warm.launch)
    child.start()
    return child


@asynccontextmanager
async def updated(sandbox: Sandbox) -> AsyncIterator[None]:
    """The update, in the order of docs/production.md; at the end of the block the new processes are stopped."""
    database = sandbox.database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    new: list[ChildProcess] = []
    try:
        await migrate(database)
        await asyncio.sleep(PHASE_SECONDS)  # the old processes on the new schema
        ports = {name: free_port() for name in SERVICES}
        for name, port in ports.items():
            new.append(this_version(sandbox, name, port))
        for child, port in zip(new, ports.values(), strict=True):
            sandbox.children[child.name] = child
            await sandbox.wait_ready(child.name, f"http://127.0.0.1:{port}/readyz")
        await asyncio.sleep(PHASE_SECONDS)  # old and new ones side by side
        for name in SERVICES:
            await sandbox.children.pop(name).stop()
        await sandbox.children.pop("api").stop()
        # A load balancer would have the new API beside the old one; here it takes over the port.
        new.append(this_version(sandbox, "api", sandbox.layout.api_port))
        sandbox.children["new api"] = new[-1]
        await sandbox.wait_ready("new api", f"{sandbox.api_url}/readyz")
        yield
    finally:
        for child in new:
            sandbox.children.pop(child.name, None)
        await asyncio.gather(*(child.stop() for child in new))


async def test_an_update_loses_nothing(broker: RabbitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.to_thread(version_before.unpack, tmp_path)
    record, seed = Record(), int(time.time())
    print(f"seed {seed}")

    async def migrate_to_before(url: str) -> None:
        await migrate(url, version_before.REVISION)

    monkeypatch.setattr("sandbox.run.migrate", migrate_to_before)
    launch = version_before.launch_before(tmp_path)
    async with (
        running_sandbox(amqp_url=broker.url, launch=launch, heartbeat=5) as sandbox,
        demo_client(sandbox) as client,
    ):
        load = asyncio.create_task(users(client, record, number=USERS, seconds=5 * PHASE_SECONDS, seed=seed))
        await asyncio.sleep(PHASE_SECONDS)
        async with updated(sandbox):
            await load
            assert record.failures == []
            assert record.done.total() > USERS, "something was done in each phase"
            assert await problems(sandbox, record.clusters) == []
            connection = await asyncpg.connect(sandbox.database_url)
            lost = await connection.fetch("SELECT type FROM events WHERE type LIKE 'orphan%'")
            await connection.close()
            assert lost == []
    print(f"{record.done.total()} operations on {len(record.clusters)} clusters: {dict(record.done)}")
