"""A RabbitMQ of one's own, which a test may kill."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.ports import free_port
from sandbox.rabbitmq import RabbitServer, ensure


@contextmanager
def running_broker() -> Iterator[RabbitServer]:
    """A broker for the block; fetches RabbitMQ if it is not on this machine."""
    prefix = ensure()
    directory = Path(tempfile.mkdtemp(prefix="jeroboam-test-mq-"))
    server = RabbitServer(directory, free_port(following=2), prefix)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
