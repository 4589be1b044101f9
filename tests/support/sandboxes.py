"""One sandbox for a whole module of tests, and what looks at it.

Rule: each function makes a fixture; a module assigns it to the name its tests ask for: `sandbox`, `client`, `clouds`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from sandbox.run import Sandbox, running_sandbox
from shared.cloud.sdk import OpenStackCloudFactory
from tests.support.client import Client, demo_client
from tests.support.cloud_view import cloud_of


def module_sandbox(**options: Any) -> Any:
    """A sandbox whose Postgres need not survive a power cut; `options` are those of `running_sandbox`."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def sandbox() -> AsyncIterator[Sandbox]:
        async with running_sandbox(durable=False, **options) as running:
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
