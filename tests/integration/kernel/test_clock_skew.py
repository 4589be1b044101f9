"""A provisioner whose clock is wrong by more than an hour: deadlines go by the database's clock, so creates succeed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox.postgres import EmbeddedPostgres
from sandbox.run import running_sandbox
from tests.support.client import Client, demo_client
from tests.support.sandboxes import DatabaseOf
from tests.support.skewed import launch_skewed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(loop_scope="module")
async def client(postgres: EmbeddedPostgres) -> AsyncIterator[Client]:
    async with (
        running_sandbox(launch=launch_skewed({"services.provisioner": 70}), postgres=DatabaseOf(postgres)) as sandbox,
        demo_client(sandbox) as made,
    ):
        yield made


async def test_a_provisioner_seventy_minutes_ahead_creates_and_deletes(client: Client) -> None:
    cluster = await client.create(node_count=2)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    log = client.sandbox.children["provisioner"].log_file.read_text()
    assert "clock.differs" in log, "the provisioner knows that its clock is wrong"
    await client.delete(cluster)
    assert await client.settled(cluster) is None
