"""The bus on RabbitMQ (3.10 to 4.x), through aio-pika.

Rule: queues are quorum queues with an explicit delivery limit and at-least-once dead-lettering; messages are
persistent, with publisher confirms, and returned messages raise an error. There is one channel for publishing and one
per consumer, so that an error closes only one of them. `reject` means that the message failed, `nack` that it is
retried by another consumer. aio-pika's `message.process()` is not used, because it dead-letters a message if its
handler is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import aio_pika
import structlog
from aio_pika.abc import (
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractRobustChannel,
    AbstractRobustConnection,
    AbstractRobustQueue,
)
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError, PublishError

from shared.bus.attempts import Attempts
from shared.bus.contract import Consumer, Handler, Message, QueueSpec, Refused, Unroutable, Verdict
from shared.bus.topology import DEAD_EXCHANGE, EXCHANGE
from shared.domain.errors import JeroboamError, TemporaryError

log = structlog.get_logger(__name__)

# RabbitMQ closes a channel whose oldest unsettled delivery is 30 minutes old (`consumer_timeout`).
_HELD_SECONDS = 600.0
_LOST = (OSError, AMQPError, ChannelInvalidStateError, TimeoutError, RuntimeError)


class RabbitBus:
    """Args:
    url: `amqp://...` or `amqps://...`.
    queues: the topology.
    name: shown in RabbitMQ's list of connections.
    timeout: seconds for each call to the broker.
    """

    def __init__(self, url: str, queues: Sequence[QueueSpec], *, name: str = "jeroboam", timeout: float = 10) -> None:
        self._url = url
        self._queues = queues
        self._name = name
        self._timeout = timeout
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None
        self._exchange: AbstractExchange | None = None
        self._declared: dict[str, AbstractRobustQueue] = {}

    async def start(self) -> None:
        if self._connection is not None:
            return
        connection: AbstractRobustConnection | None = None
        try:
            async with asyncio.timeout(self._timeout * 2):
                connection = await aio_pika.connect_robust(
                    self._url, timeout=self._timeout, client_properties={"connection_name": self._name}, heartbeat=30
                )
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                assert isinstance(channel, AbstractRobustChannel)
                self._exchange = await self._declare(channel)
        except _LOST as error:
            if connection is not None:
                with suppress(Exception):
                    await connection.close()
            raise TemporaryError(f"RabbitMQ: {error or type(error).__name__}") from error
        self._connection, self._channel = connection, channel

    async def _declare(self, channel: AbstractRobustChannel) -> AbstractExchange:
        exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
        dead = await channel.declare_exchange(DEAD_EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
        for spec in self._queues:
            arguments: dict[str, str | int] = {"x-queue-type": "quorum"}
            if not spec.dead_letters:
                arguments |= {
                    "x-delivery-limit": spec.delivery_limit,
                    "x-dead-letter-exchange": DEAD_EXCHANGE,
                    # At-least-once dead-lettering is silently at-most-once unless overflow is `reject-publish`.
                    "x-dead-letter-strategy": "at-least-once",
                    "x-overflow": "reject-publish",
                }
            queue = await channel.declare_queue(spec.name, durable=True, arguments=dict(arguments))
            assert isinstance(queue, AbstractRobustQueue)
            for pattern in spec.bindings:
                await queue.bind(dead if spec.dead_letters else exchange, pattern)
            self._declared[spec.name] = queue
        return exchange

    async def publish(self, messages: Sequence[Message]) -> list[JeroboamError | None]:
        if self._exchange is None:
            await self.start()
        try:
            # The robust channel waits for a reconnect without a timeout.
            async with asyncio.timeout(self._timeout):
                return list(await asyncio.gather(*(self._publish_one(message) for message in messages)))
        except _LOST as error:
            raise TemporaryError(f"RabbitMQ: {error or type(error).__name__}") from error

    async def _publish_one(self, message: Message) -> JeroboamError | None:
        assert self._exchange is not None
        outgoing = aio_pika.Message(
            message.body,
            message_id=message.id,
            type=message.headers.get("ce-type"),
            content_type="application/json",
            headers=dict(message.headers),
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        try:
            await self._exchange.publish(outgoing, message.routing_key, mandatory=message.mandatory)
        except PublishError:
            return Unroutable(message.routing_key)
        except DeliveryError as error:
            return Refused(f"{message.routing_key}: {error}")
        return None

    async def consume(self, queue: QueueSpec, handler: Handler, *, prefetch: int = 10) -> Consumer:
        if self._connection is None:
            await self.start()
        assert self._connection is not None
        try:
            async with asyncio.timeout(self._timeout):
                channel = await self._connection.channel(publisher_confirms=False)
                assert isinstance(channel, AbstractRobustChannel)
                await channel.set_qos(prefetch_count=prefetch)
                declared = await channel.get_queue(queue.name, ensure=False)
                consumer = _RabbitConsumer(channel, handler, queue.name)
                await consumer.begin(declared)
        except _LOST as error:
            raise TemporaryError(f"RabbitMQ: {error or type(error).__name__}") from error
        return consumer

    async def check(self) -> None:
        if self._connection is None or not self._connection.connected.is_set():
            raise TemporaryError("RabbitMQ: not connected")

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(*_LOST):
                async with asyncio.timeout(5):
                    await self._connection.close()
            self._connection = None


class _RabbitConsumer:
    def __init__(self, channel: AbstractRobustChannel, handler: Handler, name: str) -> None:
        self._channel = channel
        self._attempts = Attempts(handler, name, held_seconds=_HELD_SECONDS)
        self._name = name
        self._queue: aio_pika.abc.AbstractQueue | None = None
        self._tag = ""
        self._in_flight: set[asyncio.Task[None]] = set()

    async def begin(self, queue: aio_pika.abc.AbstractQueue) -> None:
        self._queue = queue
        self._tag = await queue.consume(self._received)

    async def _received(self, incoming: AbstractIncomingMessage) -> None:
        # The library cancels its callback when the channel closes; the handler must continue, so it has its own task.
        task = asyncio.create_task(self._deliver(incoming))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _deliver(self, incoming: AbstractIncomingMessage) -> None:
        message = Message(
            id=incoming.message_id or "",
            routing_key=incoming.routing_key or "",
            body=incoming.body,
            headers={key: str(value) for key, value in incoming.headers.items() if key != "x-death"},
            redelivered=bool(incoming.redelivered),
        )
        verdict = await self._attempts.verdict(message)
        try:
            async with asyncio.timeout(10):
                match verdict:
                    case Verdict.DONE:
                        await incoming.ack()
                    case Verdict.FAILED:
                        await incoming.reject(requeue=True)
                    case Verdict.LATER:
                        await incoming.nack(requeue=True)
                    case Verdict.DEAD:
                        await incoming.reject(requeue=False)
        except _LOST as error:
            # The channel was closed: the broker redelivers the message; duplicates are normal.
            log.warning("bus.settle_failed", queue=self._name, message=message.id, error=str(error))

    async def stop(self, grace: float = 10.0) -> None:
        self._attempts.stop()
        with suppress(*_LOST):
            async with asyncio.timeout(5):
                assert self._queue is not None
                await self._queue.cancel(self._tag)
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with suppress(*_LOST):
            async with asyncio.timeout(5):
                await self._channel.close()
