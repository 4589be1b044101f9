"""An exchange that does not exist does not keep the notifications of the others away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity

from sandbox.rabbitmq import RabbitServer
from shared.bus.notifications import NotificationListener, Source
from shared.bus.oslo import Notification
from tests.integration.monitor.test_notifications import heat_says


async def test_a_missing_exchange_is_left_for_later_and_versioned_notifications_come(rabbit: RabbitServer) -> None:
    name = f"nova-{uuid4().hex[:8]}"
    connection = await aio_pika.connect(rabbit.url)
    channel = await connection.channel()
    exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC)
    # What the version before left behind goes when nothing consumes it.
    await channel.declare_queue("jeroboam.openstack.v1", durable=True, arguments={"x-queue-type": "quorum"})
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def handle(notifications: Sequence[Notification]) -> None:
        for each in notifications:
            heard.put_nowait(each.id)

    source = Source(rabbit.url, [f"missing-{name}", name], queue=f"jeroboam.{name}")
    listener = NotificationListener(source, handle)
    running = asyncio.create_task(listener.run())
    try:
        async with asyncio.timeout(20):
            await listener.listening.wait()
            for key in ("notifications.info", "versioned_notifications.error"):
                await exchange.publish(aio_pika.Message(heat_says("x", message_id=key)), key)
            assert {await heard.get(), await heard.get()} == {"notifications.info", "versioned_notifications.error"}
        with pytest.raises(ChannelNotFoundEntity):
            await (await connection.channel()).declare_queue("jeroboam.openstack.v1", passive=True)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await channel.queue_delete(source.queue)
        await connection.close()
