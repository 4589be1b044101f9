"""OpenStack's notifications, as sent by oslo.messaging through OpenStack's RabbitMQ.

Rule: this only consumes. The exchanges belong to OpenStack (they are declared passively, and those that do not exist
yet are looked for again), the queue to Jeroboam. A notification is acknowledged after its handler has stored its
effects, and redelivered if that fails. Other messages are dropped and logged.
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
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, ChannelClosed, ChannelInvalidStateError

log = structlog.get_logger(__name__)

QUEUE = "jeroboam.openstack.v1"
# Nova's versioned notifications have a topic of their own.
ROUTING_KEYS = tuple(
    f"{topic}.{level}" for topic in ("notifications", "versioned_notifications") for level in ("info", "error")
)
RETRY_SECONDS = 5.0
MISSING_SECONDS = 60.0
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
    reconnected: called after a connection that was lost is there again; notifications may have been missed.
    """

    def __init__(
        self,
        url: str,
        exchanges: Sequence[str],
        handler: NotificationHandler,
        *,
        reconnected: Callable[[], Awaitable[None]] | None = None,
        timeout: float = 10,
    ) -> None:
        self._url = url
        self._exchanges = exchanges
        self._handler = handler
        self._timeout = timeout
        self._reconnected = reconnected
        self._was_connected = False
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Consume until cancelled, also across outages. Because of polling, an outage only causes delays."""
        while True:
            connection: AbstractRobustConnection | None = None
            try:
                async with asyncio.timeout(self._timeout * 2):
                    connection = await aio_pika.connect_robust(self._url, timeout=self._timeout, heartbeat=30)
                    queue = await self._consume(connection)
                    missing = await self._bind(connection, queue, self._exchanges)
                connection.reconnect_callbacks.add(self._on_reconnect)
                await self._tell_reconnected()
                while True:
                    # From here on, the robust connection reconnects automatically.
                    if len(missing) < len(self._exchanges):
                        self.listening.set()
                        self._was_connected = True
                    if not missing:
                        await asyncio.Event().wait()
                    await asyncio.sleep(MISSING_SECONDS if self.listening.is_set() else RETRY_SECONDS)
                    missing = await self._bind(connection, queue, missing)
            except _LOST as error:
                log.warning("notifications.away", error=str(error) or type(error).__name__)
            finally:
                if connection is not None:
                    with suppress(Exception):
                        await connection.close()
            await asyncio.sleep(RETRY_SECONDS)

    async def _on_reconnect(self, *_: object) -> None:
        await self._tell_reconnected()

    async def _tell_reconnected(self) -> None:
        if not self._was_connected or self._reconnected is None:
            return
        try:
            await self._reconnected()
        except Exception as error:
            log.warning("notifications.no_look", error=str(error))

    async def _consume(self, connection: AbstractRobustConnection) -> AbstractQueue:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=20)
        queue = await channel.declare_queue(
            QUEUE,
            durable=True,
            # After an hour, polling has detected the change.
            arguments={"x-queue-type": "quorum", "x-message-ttl": 3_600_000, "x-max-length": 100_000},
        )
        await queue.consume(self._received)
        return queue

    async def _bind(
        self, connection: AbstractRobustConnection, queue: AbstractQueue, exchanges: Sequence[str]
    ) -> list[str]:
        """Bind the queue to the exchanges that exist; returns the others. A missing one closes its channel."""
        missing: list[str] = []
        for name in exchanges:
            channel = await connection.channel(publisher_confirms=False)
            try:
                await channel.declare_exchange(name, passive=True)
                for key in ROUTING_KEYS:
                    await queue.bind(name, key)
            except ChannelClosed as error:
                log.info("notifications.waiting", exchange=name, error=str(error))
                missing.append(name)
            finally:
                with suppress(*_LOST):
                    await channel.close()
        return missing

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
