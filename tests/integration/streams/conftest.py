"""The API with a cloud in memory, and events to stream."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.db.engine import Database
from shared.domain.states import NodeState
from shared.events.catalog import NodeChanged
from shared.events.log import emit
from tests.support.memory_api import MemoryApi, memory_api
from tests.support.streams import Emit

STREAMS = {"queue_events": 20, "write_seconds": 0.3, "heartbeat_seconds": 0.2, "max_per_user": 2, "max_per_project": 3}


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url, streams=STREAMS, poll_seconds=0.2) as found:
        yield found


@pytest.fixture
def emitted(database: Database) -> Emit:
    """emitted("a", "b", project="p1"): events `node.joined.v1` with these names, in one transaction each."""

    async def put(*names: str, project: str = "p1", type_name: str = "node.joined.v1") -> None:
        for name in names:
            data = NodeChanged(node_id="n", name=name, nodegroup="g", role="worker", state=NodeState.JOINED)
            async with database.transaction() as session:
                await emit(session, type_name, data, project_id=project)

    return put
