"""Runs a RabbitMQ for a benchmark."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.ports import free_port
from sandbox.rabbitmq import RabbitServer, ensure


@asynccontextmanager
async def running_broker() -> AsyncIterator[RabbitServer]:
    """Run RabbitMQ during a block. Raises RuntimeError if it is not installed and cannot be downloaded."""
    directory = Path(tempfile.mkdtemp(prefix="jeroboam-bench-mq-"))
    server = RabbitServer(directory, free_port(following=2), await asyncio.to_thread(ensure))
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(directory, ignore_errors=True)
