"""OpenStack's RabbitMQ restarts and forgets its exchanges: what is lost with them is looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from sandbox.rabbitmq import RabbitServer
from shared.bus import notifications
from shared.bus.notifications import NotificationListener, Source
from shared.bus.oslo import Notification
from shared.bus.oslo_publisher import OsloPublisher
from shared.domain.errors import TemporaryError
from tests.integration.monitor.test_notifications import heat_says
from tests.support.brokers import running_broker

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def broker() -> Iterator[RabbitServer]:
    with running_broker() as server:
        yield server


async def test_a_full_look_follows_the_connection_and_the_exchange(
    broker: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "RETRY_SECONDS", 0.3)
    monkeypatch.setattr(notifications, "RETURNING_SECONDS", 0.3)
    heard: list[str] = []
    looks: list[int] = []

    async def handle(told: Sequence[Notification]) -> None:
        heard.extend(each.id for each in told)

    async def missed() -> None:
        looks.append(len(heard))

    async def tell(message_id: str) -> None:
        """As a service of OpenStack: its exchange is made if it is not there, and it sends until it succeeds."""
        async with asyncio.timeout(60):
            while True:
                try:
                    return await service.send("heat", ["notifications"], "info", heat_says("s", message_id=message_id))
                except TemporaryError:
                    await asyncio.sleep(0.2)

    async def until(number: int) -> None:
        async with asyncio.timeout(60):
            while len(looks) < number:
                await asyncio.sleep(0.05)

    service = OsloPublisher(broker.url, declare=True)
    await tell("before")
    listener = NotificationListener(Source(broker.url, ["heat"]), handle, missed=missed)
    running = asyncio.create_task(listener.run())
    try:
        await until(1)
        await tell("first")
        async with asyncio.timeout(30):
            while "first" not in heard:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)
        # The connection is there again, but the exchange is not.
        await until(2)
        assert not listener.listening.is_set()
        await tell("lost")
        # The exchange is there again: what it told of before it was bound may be lost.
        await until(3)
        await tell("last")
        async with asyncio.timeout(30):
            while "last" not in heard:
                await asyncio.sleep(0.05)
        assert "lost" not in heard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await service.close()
