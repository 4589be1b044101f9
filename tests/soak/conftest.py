from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.rabbitmq import RabbitServer
from tests.support.brokers import running_broker


@pytest.fixture
def broker() -> Iterator[RabbitServer]:
    with running_broker() as server:
        yield server
