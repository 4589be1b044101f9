"""Publishes notifications to OpenStack's RabbitMQ as its services do.

Rule: the exchange belongs to the services and their listeners, so it is declared passively, unless the caller stands in
for a service. A notification that no queue takes counts as delivered, because a notification bus may have no consumers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, ChannelNotFoundEntity

from shared.domain.errors import NotFound, TemporaryError

_LOST = (OSError, AMQPError, ChannelInvalidStateError, TimeoutError, RuntimeError)


class OsloPublisher:
    """Args:
    url: URL of OpenStack's RabbitMQ.
    declare: make exchanges that do not exist, as oslo.messaging does by default (topic, not durable).
    timeout: seconds for each call to the broker.
    """

    def __init__(self, url: str, *, declare: bool = False, timeout: float = 10) -> None:
        self._url = url
        self._declare = declare
        self._timeout = timeout
        self._connection: AbstractConnection | None = None
        self._exchanges: dict[str, AbstractExchange] = {}

    async def send(self, exchange: str, topics: Sequence[str], level: str, body: bytes) -> None:
        """Send one notification to each topic and wait until the broker has it.

        Raises:
            NotFound: there is no such exchange.
            TemporaryError: the broker is away or refuses it.
        """
        try:
            async with asyncio.timeout(self._timeout):
                target = await self._exchange(exchange)
                for topic in topics:
                    message = aio_pika.Message(
                        body,
                        # oslo.messaging's listeners refuse a message without a type.
                        content_type="application/json",
                        content_encoding="utf-8",
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                        priority=0,
                    )
                    await target.publish(message, f"{topic}.{level}", mandatory=False)
        except ChannelNotFoundEntity as error:
            await self.close()
            raise NotFound(f"exchange {exchange} does not exist") from error
        except _LOST as error:
            await self.close()
            raise TemporaryError(f"OpenStack's RabbitMQ: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """End the connection; the next notification makes another."""
        connection, self._connection = self._connection, None
        self._exchanges.clear()
        if connection is not None:
            with suppress(Exception):
                async with asyncio.timeout(5):
                    await connection.close()

    async def _exchange(self, name: str) -> AbstractExchange:
        if self._connection is None:
            self._connection = await aio_pika.connect(self._url, timeout=self._timeout, heartbeat=30)
        if name not in self._exchanges:
            channel = await self._connection.channel(publisher_confirms=True)
            self._exchanges[name] = await channel.declare_exchange(
                name, aio_pika.ExchangeType.TOPIC, passive=not self._declare
            )
        return self._exchanges[name]
