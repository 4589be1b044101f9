"""One sandbox for a whole module of tests, and what looks at it.

Rule: each function makes a fixture; a module assigns it to the name its tests ask for: `sandbox`, `client`, `clouds`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest_asyncio

from sandbox.postgres import EmbeddedPostgres
from sandbox.run import Sandbox, running_sandbox
from shared.cloud.sdk import OpenStackCloudFactory
from tests.support import warm
from tests.support.client import Client, demo_client
from tests.support.cloud_view import cloud_of


class DatabaseOf(EmbeddedPostgres):
    """A database of a server that runs already, copied from its migrated template; it is dropped at the end."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        super().__init__(server.directory, server.port, durable=server.durable)
        self._name = f"s{uuid4().hex[:12]}"

    def url(self, database: str = "jeroboam") -> str:
        return super().url(self._name if database == "jeroboam" else database)

    async def start(self) -> None:
        await self._execute(f"CREATE DATABASE {self._name} TEMPLATE template_jeroboam")

    async def stop(self) -> None:
        await self._execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        await connection.execute(statement)
        await connection.close()


def module_sandbox(**options: Any) -> Any:
    """A sandbox on a database of its own in the session's Postgres; `options` are those of `running_sandbox`."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def sandbox(postgres: EmbeddedPostgres) -> AsyncIterator[Sandbox]:
        database = DatabaseOf(postgres)
        async with running_sandbox(launch=warm.launch, postgres=database, **options) as running:
            yield running

    return sandbox


def module_client() -> Any:
    """User `demo` of the module's sandbox."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def client(sandbox: Sandbox) -> AsyncIterator[Client]:
        async with demo_client(sandbox) as made:
            yield made

    return client


def module_clouds() -> Any:
    """The cloud of the module's sandbox."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def clouds(sandbox: Sandbox) -> AsyncIterator[OpenStackCloudFactory]:
        async with cloud_of(sandbox.layout) as made:
            yield made

    return clouds
