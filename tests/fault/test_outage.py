"""The database is killed and away for a while: with messages waiting on RabbitMQ, services use little CPU time and log
few lines, and no message is lost or becomes a dead letter. JEROBOAM_TEST_OUTAGE_SECONDS makes the outage longer."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from sandbox.ports import free_port
from sandbox.postgres import EmbeddedPostgres
from sandbox.rabbitmq import RabbitServer
from sandbox.trusted import make_temporary_directory
from shared.bus import topology
from shared.bus.contract import Message, QueueSpec, Verdict
from shared.bus.rabbit import RabbitBus
from shared.db.migrate import migrate
from shared.domain.ids import new_id
from shared.pki.sealing import new_key
from tests.conftest import asyncpg_url

OUTAGE = float(os.environ.get("JEROBOAM_TEST_OUTAGE_SECONDS", "8"))
MESSAGES = 60
ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
async def own_postgres() -> AsyncIterator[EmbeddedPostgres]:
    directory = make_temporary_directory("jeroboam-test-pg-", None)
    server = EmbeddedPostgres(directory, free_port())
    await server.start()
    await migrate(asyncpg_url(server, "jeroboam"))
    yield server
    await server.stop()
    shutil.rmtree(directory, ignore_errors=True)


def stack_changed() -> Message:
    """Heat's news of a cluster, for which the provisioner needs the database."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": (event := new_id()),
        "ce-type": "io.jeroboam.stack.changed.v1",
        "ce-source": "/jeroboam",
        "ce-subject": "clusters/c1",
        "ce-time": "2026-11-22T12:00:00Z",
        "ce-projectid": "p1",
        "ce-clusterid": "c1",
        "ce-sequence": "1",
    }
    data = {"stack_id": "s1", "stack_name": "s", "status": "CREATE_COMPLETE"}
    return Message(event, "stack.changed.v1", json.dumps(data).encode(), headers)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@asynccontextmanager
async def running(service: str, environment: Mapping[str, str], log: Path) -> AsyncIterator[int]:
    """A service as a process; its ID, once it is ready."""
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"services.{service}", cwd=ROOT, env=environment, stdout=file, stderr=file
        )
    try:
        await logged(log, "service.ready")
        yield process.pid
        assert process.returncode is None, f"{service} has ended"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def count(database_url: str, condition: str, queue: str) -> int:
    """Number of dead letters whose queue meets a condition."""
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(f"SELECT count(*) FROM dead_letters WHERE queue {condition} $1", queue)
    finally:
        await connection.close()


async def test_a_database_that_is_away(own_postgres: EmbeddedPostgres, rabbit: RabbitServer, tmp_path: Path) -> None:
    broken = QueueSpec(f"broken.{new_id()}", ("broken.v1",))
    bus = RabbitBus(rabbit.url, [*topology.QUEUES, broken])
    await bus.start()

    async def refuses(_message: Message) -> Verdict:
        return Verdict.DEAD

    consumer = await bus.consume(broken, refuses)
    environment = {
        "PATH": os.environ["PATH"],
        "JEROBOAM_AMQP_URL": rabbit.url,
        "JEROBOAM_DATABASE_URL": asyncpg_url(own_postgres, "jeroboam"),
        "JEROBOAM_SECRET_KEYS": f'["{new_key()}"]',
        "JEROBOAM_CLOUD__AUTH_URL": "http://127.0.0.1:9/v3",
        "JEROBOAM_CLOUD__USERNAME": "none",
        "JEROBOAM_CLOUD__PASSWORD": "none",
    }
    async with AsyncExitStack() as stack:
        logs = {service: tmp_path / service for service in ("provisioner", "monitor")}
        pids = {
            service: await stack.enter_async_context(running(service, environment, log))
            for service, log in logs.items()
        }
        own_postgres.kill()
        await bus.publish([stack_changed() for _ in range(MESSAGES)])
        await bus.publish([Message(new_id(), "broken.v1", b"{}", {"ce-id": "x"}) for _ in range(MESSAGES)])
        before = {service: (cpu_seconds(pid), len(lines(logs[service]))) for service, pid in pids.items()}
        await asyncio.sleep(OUTAGE)
        for service, pid in pids.items():
            used, written = cpu_seconds(pid) - before[service][0], len(lines(logs[service])) - before[service][1]
            print(f"{service}: {used:.2f} s of CPU time and {written} lines of log in {OUTAGE:.0f} s")
            assert used < 1 + OUTAGE / 10
            assert written < 20 + 10 * OUTAGE

        await own_postgres.start()
        url = own_postgres.url("jeroboam")
        async with asyncio.timeout(90):
            while await count(url, "=", broken.name) < MESSAGES:
                await asyncio.sleep(0.2)
            await logged(logs["provisioner"], "bus.resumed")
        assert await count(url, "<>", broken.name) == 0, "a healthy message became a dead letter"
    await consumer.stop()
    await bus.close()


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


async def logged(file: Path, event: str) -> None:
    async with asyncio.timeout(90):
        while not any(event in line for line in lines(file)):
            await asyncio.sleep(0.1)
