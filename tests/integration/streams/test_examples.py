"""The programs in examples/events, each as a process of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.ports import free_port
from sandbox.rabbitmq import RabbitServer
from services.api.deps import Deps
from shared.bus.rabbit import RabbitBus
from shared.bus.topology import QUEUES
from shared.db.engine import Database
from shared.events.catalog import OperationCompleted
from shared.events.log import emit
from shared.events.relay import Relay
from tests.support.hooks import loopback, running_notifier
from tests.support.memory_api import memory_deps
from tests.support.rows import make_cluster
from tests.support.served_api import served

EXAMPLES = Path(__file__).parents[3] / "examples" / "events"


class Program:
    """A running example, whose output is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            return (await self._process.stdout.readline()).decode().strip()


@asynccontextmanager
async def running(*command: str | Path, **environment: str) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=os.environ | environment, start_new_session=True
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 9)
        await process.wait()


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[tuple[str, Deps]]:
    port = free_port()
    deps = memory_deps(database, database_url, webhooks=loopback(), poll_seconds=0.2)
    async with served(deps, port):
        yield f"http://127.0.0.1:{port}", deps


async def completed(database: Database) -> str:
    """The uuid of a cluster, of whose create an event says that it has ended."""
    async with database.transaction() as session:
        cluster = (await make_cluster(session)).uuid
        data = OperationCompleted(kind="create", status="CREATE_COMPLETE", seconds=1)
        await emit(session, "cluster.create.completed.v1", data, project_id="p1", cluster=cluster)
    return cluster


async def test_consumer(database: Database, rabbit: RabbitServer) -> None:
    bus = RabbitBus(rabbit.url, QUEUES)
    await bus.start()
    async with running(sys.executable, EXAMPLES / "consumer.py", rabbit.url, "cluster.#") as program:
        assert await program.line() == "ready"
        cluster = await completed(database)
        await Relay(database, bus).flush()
        assert (await program.line()).startswith(f"io.jeroboam.cluster.create.completed.v1 clusters/{cluster} {{")
    await bus.close()


async def test_stream_resumes(api: tuple[str, Deps], database: Database, tmp_path: Path) -> None:
    assert shutil.which("curl"), "curl is needed to run this example"
    first = await completed(database)
    file = tmp_path / "cursor"
    environment = {"TOKEN": "user", "CURSOR_FILE": str(file)}
    async with running(EXAMPLES / "stream.sh", api[0], "outcome=completed", **environment) as program:
        assert first in await program.line()
    second = await completed(database)
    async with running(EXAMPLES / "stream.sh", api[0], "outcome=completed", file.read_text(), **environment) as program:
        assert second in await program.line()


async def test_workflow(api: tuple[str, Deps], database: Database, tmp_path: Path) -> None:
    command, told, cursor = tmp_path / "deploy.sh", tmp_path / "told", tmp_path / "cursor"
    command.write_text(f"#!/bin/sh\necho $1 >>{told}\n")
    command.chmod(0o755)
    cursor.write_text("0-0")
    clusters = [await completed(database)]
    environment = {"TOKEN": "user", "CURSOR_FILE": str(cursor)}
    async with running(sys.executable, EXAMPLES / "workflow.py", api[0], str(command), **environment):
        async with asyncio.timeout(20):
            while cursor.read_text() != "0-1":
                await asyncio.sleep(0.05)
    clusters.append(await completed(database))
    async with running(sys.executable, EXAMPLES / "workflow.py", api[0], str(command), **environment):
        async with asyncio.timeout(20):
            while cursor.read_text() != "0-2":
                await asyncio.sleep(0.05)
    assert told.read_text().split() == clusters


async def test_receiver(api: tuple[str, Deps], database: Database) -> None:
    url, deps = api
    port = free_port()
    hook = f"http://127.0.0.1:{port}/"
    async with httpx.AsyncClient(base_url=url, headers={"X-Auth-Token": "user"}, trust_env=False) as client:
        secret = (await client.post("/v1/webhooks", json={"name": "w", "url": hook})).json()["secret"]
        async with (
            running(sys.executable, EXAMPLES / "receiver.py", str(port), SECRET=secret) as program,
            running_notifier(database, deps.settings),
        ):
            async with asyncio.timeout(20):
                while True:
                    try:
                        refused = await client.post(hook, content=b"{}")
                        break
                    except httpx.ConnectError:
                        await asyncio.sleep(0.05)
            assert refused.status_code == 401
            cluster = await completed(database)
            assert (await program.line()).startswith(f"io.jeroboam.cluster.create.completed.v1 clusters/{cluster} {{")
