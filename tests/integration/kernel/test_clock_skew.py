"""A provisioner whose clock is wrong by more than an hour: deadlines go by the database's clock, so creates succeed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.postgres import EmbeddedPostgres
from sandbox.processes import Process, launch_python
from sandbox.run import running_sandbox
from tests.support import warm
from tests.support.client import Client, demo_client
from tests.support.sandboxes import DatabaseOf

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

# As if the machine's clock had been set before the process started.
_SKEWED = """
import datetime, runpy, sys, time_machine
ahead = datetime.timedelta(minutes=int(sys.argv[1]))
time_machine.travel(datetime.datetime.now(datetime.UTC) + ahead, tick=True).start()
module = sys.argv[2]
sys.argv = sys.argv[2:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def launch(module: str, arguments: Sequence[str], environment: Mapping[str, str], log_file: Path) -> Process:
    if module != "services.provisioner":
        return warm.launch(module, arguments, environment, log_file)
    return launch_python(["-c", _SKEWED, "70", module, *arguments], environment, log_file)


@pytest_asyncio.fixture(loop_scope="module")
async def client(postgres: EmbeddedPostgres) -> AsyncIterator[Client]:
    async with running_sandbox(launch=launch, postgres=DatabaseOf(postgres)) as sandbox, demo_client(sandbox) as made:
        yield made


async def test_a_provisioner_seventy_minutes_ahead_creates_and_deletes(client: Client) -> None:
    cluster = await client.create(node_count=2)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    log = client.sandbox.children["provisioner"].log_file.read_text()
    assert "clock.differs" in log, "the provisioner knows that its clock is wrong"
    await client.delete(cluster)
    assert await client.settled(cluster) is None
