"""What tests of the kernel share: a migrated database each, and a RabbitMQ for those that ask."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from sandbox.ports import free_port
from sandbox.postgres import EmbeddedPostgres
from sandbox.rabbitmq import RabbitServer
from sandbox.trusted import make_temporary_directory
from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.support.brokers import running_broker

# Directories and modules in the order they are run. Workers take whole modules, so what takes long comes first: a long
# module begun last would leave the other workers with nothing to do. Then the rest as it was collected.
LONGEST_FIRST = (
    "tests/e2e",
    "tests/fault",
    "tests/integration/scaler/test_scaling.py",
    "tests/integration/provisioner",
    "tests/integration/upgrader/test_sandbox.py",
    "tests/integration/magnum_import/test_sandbox.py",
    "tests/integration/agent",
    "tests/property/api",
    "tests/integration/api",
)
# What `make check` runs, on a machine with nothing but Python.
WITHOUT_SERVERS = ("tests/unit", "tests/architecture", "tests/property/drivers", "tests/property/kernel")
SERVERS = {"postgres", "rabbit"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        found = (number for number, place in enumerate(LONGEST_FIRST) if item.nodeid.startswith(place))
        return next(found, len(LONGEST_FIRST))

    items.sort(key=rank)
    for item in items:
        if item.nodeid.startswith(WITHOUT_SERVERS) and SERVERS.intersection(getattr(item, "fixturenames", ())):
            raise pytest.UsageError(f"{item.nodeid} starts a server: its place is in tests/integration")


MEMORY = Path("/dev/shm")


def in_memory() -> Path | None:
    """A file system in memory with room for a server's data, if there is one: a copy of a database then takes 10 ms."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 * 2**30:
        return MEMORY
    return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for the session, with `template_jeroboam` migrated."""
    directory = make_temporary_directory("jeroboam-test-pg-", in_memory())
    server = EmbeddedPostgres(directory, free_port(), durable=False)

    async def up() -> None:
        await server.start()
        connection = await asyncpg.connect(server.url("postgres"))
        await connection.execute("CREATE DATABASE template_jeroboam")
        await connection.close()
        await migrate(asyncpg_url(server, "template_jeroboam"))

    asyncio.run(up())
    yield server
    asyncio.run(server.stop())
    shutil.rmtree(directory, ignore_errors=True)


def asyncpg_url(server: EmbeddedPostgres, name: str) -> str:
    return server.url(name).replace("postgresql://", "postgresql+asyncpg://", 1)


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database of the test's own, copied from the migrated template."""
    name = f"t{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres.url("postgres"))
    # Copying files takes two thirds of the time that copying through the log takes.
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template_jeroboam STRATEGY file_copy")
    yield asyncpg_url(postgres, name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, application_name="test", pool_size=5)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitServer]:
    """One broker for the session. Tests that kill brokers start their own."""
    with running_broker() as server:
        yield server
