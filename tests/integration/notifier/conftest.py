"""The API and the notifier in the test's process, on a database of its own, and a receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.notifier.service import Notifier
from shared.db.engine import Database
from tests.support.hooks import Listener, listening, loopback, running_notifier
from tests.support.memory_api import memory_api
from tests.support.webhook_stage import Stage


@pytest.fixture
async def stage(database: Database, database_url: str) -> AsyncIterator[Stage]:
    webhooks = loopback(retry_seconds=[0.1, 0.1], catch_up_rate=1000)
    async with memory_api(database, database_url, webhooks=webhooks, poll_seconds=0.2) as api:
        yield Stage(api)


@pytest.fixture
async def notifier(database: Database, stage: Stage) -> AsyncIterator[Notifier]:
    async with running_notifier(database, stage.api.deps.settings) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Listener]:
    async with listening() as found:
        yield found
