"""A RabbitMQ of the test's own, which it may kill."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.ports import free_port
from sandbox.rabbitmq import RabbitServer, ensure


@pytest.fixture
async def broker() -> AsyncIterator[RabbitServer]:
    directory = Path(tempfile.mkdtemp(prefix="jeroboam-soak-mq-"))
    server = RabbitServer(directory, free_port(following=2), ensure())
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.stop)
    shutil.rmtree(directory, ignore_errors=True)
