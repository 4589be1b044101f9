"""OpenStack's notifications, as sent by oslo.messaging through OpenStack's RabbitMQ.

Rule: this only consumes. The exchanges belong to OpenStack (they are declared passively and waited for), the queue to
Jeroboam. A notification is acknowledged after its handler has stored its effects, and redelivered if that fails. Other
messages are dropped and logged.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, ChannelClosed, ChannelInvalidStateError

log = structlog.get_logger(__name__)

QUEUE = "jeroboam.openstack.v1"
ROUTING_KEYS = ("notifications.info", "notifications.error")
RETRY_SECONDS = 5.0
_LOST = (OSError, AMQPError, ChannelInvalidStateError, TimeoutError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification: `id` is oslo.messaging's message ID."""

    id: str
    event_type: str
    payload: Mapping[str, Any]


NotificationHandler = Callable[[Notification], Awaitable[None]]


def parse(body: bytes) -> Notification | None:
    """Parse oslo.messaging's envelope (2.0) or a plain message; None for anything else."""
    try:
        message = json.loads(body)
        if isinstance(message, dict) and "oslo.message" in message:
            message = json.loads(message["oslo.message"])
        payload = message["payload"]
        if not isinstance(payload, dict):
            return None
        return Notification(str(message["message_id"]), str(message["event_type"]), payload)
    except (ValueError, TypeError, KeyError):
        return None


class NotificationListener:
    """Args:
    url: URL of OpenStack's RabbitMQ.
    exchanges: control exchanges of the services, e.g. `heat`.
    handler: processes a notification; after an exception, the notification is redelivered.
    """

    def __init__(
        self, url: str, exchanges: Sequence[str], handler: NotificationHandler, *, timeout: float = 10
    ) -> None:
        self._url = url
        self._exchanges = exchanges
        self._handler = handler
        self._timeout = timeout
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Consume until cancelled, also across outages. Because of polling, an outage only causes delays."""
        while True:
            connection: AbstractRobustConnection | None = None
            try:
                async with asyncio.timeout(self._timeout * 2):
                    connection = await aio_pika.connect_robust(self._url, timeout=self._timeout, heartbeat=30)
                    await self._bind(connection)
                self.listening.set()
                await connection.connected.wait()
                # From here on, the robust connection reconnects automatically.
                await asyncio.Event().wait()
            except ChannelClosed as error:
                log.info("notifications.waiting", error=str(error))
            except _LOST as error:
                log.warning("notifications.away", error=str(error) or type(error).__name__)
            finally:
                if connection is not None:
                    with suppress(Exception):
                        await connection.close()
            await asyncio.sleep(RETRY_SECONDS)

    async def _bind(self, connection: AbstractRobustConnection) -> None:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=20)
        queue = await channel.declare_queue(
            QUEUE,
            durable=True,
            # After an hour, polling has detected the change.
            arguments={"x-queue-type": "quorum", "x-message-ttl": 3_600_000, "x-max-length": 100_000},
        )
        for name in self._exchanges:
            exchange = await channel.declare_exchange(name, passive=True)
            for key in ROUTING_KEYS:
                await queue.bind(exchange, key)
        await queue.consume(self._received)

    async def _received(self, incoming: AbstractIncomingMessage) -> None:
        notification = parse(incoming.body)
        try:
            if notification is None:
                log.warning("notifications.unreadable", routing_key=incoming.routing_key)
            else:
                await self._handler(notification)
            await incoming.ack()
        except Exception as error:
            log.warning("notifications.later", error=str(error) or type(error).__name__)
            with suppress(*_LOST):
                await incoming.nack(requeue=True)
            await asyncio.sleep(1)
