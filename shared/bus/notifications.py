"""Consumes OpenStack's notifications from OpenStack's RabbitMQ.

Rule: this only consumes, from a queue of its own, so no other consumer loses a message. The exchanges belong to
OpenStack: they are declared passively, and those that do not exist are looked for again. Whenever notifications may
have been missed (a connection, an exchange or the queue is new), `missed` is called, after which a full look follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelClosed, ChannelInvalidStateError

from shared.bus.oslo import Notification, parse
from shared.domain.errors import TemporaryError
from shared.telemetry.metrics import NOTIFICATIONS
from shared.telemetry.sparse import SparseLog

log = structlog.get_logger(__name__)

QUEUE = "jeroboam.openstack.v2"
# The queue of the version before, whose arguments were others.
_OLD_QUEUES = ("jeroboam.openstack.v1",)
TOPICS = ("notifications", "versioned_notifications")
_LEVELS = ("info", "error")
_QUEUE_ARGUMENTS: dict[str, str | int] = {
    "x-queue-type": "quorum",
    # After an hour, polling has detected the change; old hints are worth less than new ones.
    "x-message-ttl": 3_600_000,
    "x-max-length": 100_000,
    "x-max-length-bytes": 268_435_456,
    "x-overflow": "drop-head",
    # A deployment that is gone leaves nothing behind that fills up.
    "x-expires": 86_400_000,
}
RETRY_SECONDS = 5.0
# How often a missing exchange is looked for: one that has been there returns with its service's next notification.
MISSING_SECONDS = 60.0
RETURNING_SECONDS = 2.0
BATCH = 50
_PATIENCE = 5
_LOST = (OSError, AMQPError, ChannelInvalidStateError, TimeoutError, RuntimeError)

NotificationsHandler = Callable[[Sequence[Notification]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where notifications come from.

    Args:
        url: URL of OpenStack's RabbitMQ.
        exchanges: control exchanges of the services, e.g. `heat`.
        topics: topics that the services publish to.
        queue: name of this deployment's own queue.
    """

    url: str
    exchanges: Sequence[str]
    topics: Sequence[str] = TOPICS
    queue: str = QUEUE


class NotificationListener:
    """Args:
    source: what to listen to.
    handler: stores the effects of some notifications. After a TemporaryError, they are given to it again; a
        notification that fails otherwise is dropped.
    missed: called when notifications may have been missed.
    timeout: seconds for each call to the broker.
    """

    def __init__(
        self,
        source: Source,
        handler: NotificationsHandler,
        *,
        missed: Callable[[], Awaitable[None]] | None = None,
        timeout: float = 10,
    ) -> None:
        self._source = source
        self._handler = handler
        self._timeout = timeout
        self._missed = missed
        self._bound: set[str] = set()  # exchanges that have been there
        self._sparse = SparseLog(log)
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Consume until cancelled, also across outages. Because of polling, an outage only causes delays."""
        while True:
            connection: AbstractConnection | None = None
            try:
                async with asyncio.timeout(self._timeout):
                    connection = await aio_pika.connect(self._source.url, timeout=self._timeout, heartbeat=30)
                await self._serve(connection)
            except _LOST as error:
                log.warning("notifications.away", error=str(error) or type(error).__name__)
            finally:
                self.listening.clear()
                if connection is not None:
                    with suppress(Exception):
                        await connection.close()
            await asyncio.sleep(RETRY_SECONDS)

    async def _serve(self, connection: AbstractConnection) -> None:
        """Consume on a connection until it is lost, which raises one of _LOST."""
        lost = asyncio.Event()
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        async with asyncio.timeout(self._timeout):
            channel = await connection.channel(publisher_confirms=False)
            await channel.set_qos(prefetch_count=2 * BATCH)
            queue = await self._declare(channel)
            await queue.consume(arrived.put)
        connection.close_callbacks.add(lambda *_: lost.set())
        channel.close_callbacks.add(lambda *_: lost.set())
        working = asyncio.create_task(self._work(arrived), name="notifications")
        working.add_done_callback(lambda _: lost.set())
        try:
            await self._remove_old_queues(connection)
            missing = await self._bind(connection, queue, self._source.exchanges)
            # Also at the first connection: what happened before, no queue may have kept.
            await self._tell_missed()
            while True:
                if len(missing) < len(self._source.exchanges):
                    self.listening.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause(missing)):
                        await lost.wait()
                        raise ConnectionError("the connection was lost")
                async with asyncio.timeout(self._timeout):
                    found = (await self._declare(channel)).declaration_result
                if not found.consumer_count:
                    raise ConnectionError("the queue was deleted")
                # All of them: one that was deleted and made again has lost its binding.
                before, missing = missing, await self._bind(connection, queue, self._source.exchanges)
                if set(before) - set(missing):
                    await self._tell_missed()
        finally:
            working.cancel()
            (ended,) = await asyncio.gather(working, return_exceptions=True)
            if isinstance(ended, Exception) and not isinstance(ended, _LOST):
                log.error("notifications.failed", exc_info=ended)

    def _pause(self, missing: Sequence[str]) -> float:
        if self._bound.intersection(missing):
            return RETURNING_SECONDS
        return MISSING_SECONDS if self.listening.is_set() else RETRY_SECONDS

    async def _tell_missed(self) -> None:
        if self._missed is None:
            return
        try:
            await self._missed()
        except Exception as error:
            log.warning("notifications.no_look", error=str(error) or type(error).__name__)

    async def _declare(self, channel: AbstractChannel) -> AbstractQueue:
        return await channel.declare_queue(self._source.queue, durable=True, arguments=dict(_QUEUE_ARGUMENTS))

    async def _remove_old_queues(self, connection: AbstractConnection) -> None:
        """Delete queues of earlier versions that no process consumes any more."""
        for name in _OLD_QUEUES:
            async with asyncio.timeout(self._timeout):
                channel = await connection.channel(publisher_confirms=False)
                with suppress(AMQPError):  # it does not exist
                    # RabbitMQ closes the connection of whoever asks to delete a quorum queue only if it is unused.
                    found = await channel.declare_queue(name, passive=True)
                    if not found.declaration_result.consumer_count:
                        await found.delete(if_unused=False, if_empty=False)
                with suppress(*_LOST):
                    await channel.close()

    async def _bind(self, connection: AbstractConnection, queue: AbstractQueue, exchanges: Sequence[str]) -> list[str]:
        """Bind the queue to the exchanges that exist; returns the others. A missing one closes its channel."""
        missing: list[str] = []
        for name in exchanges:
            async with asyncio.timeout(self._timeout):
                channel = await connection.channel(publisher_confirms=False)
                try:
                    await channel.declare_exchange(name, passive=True)
                    for topic in self._source.topics:
                        for level in _LEVELS:
                            await queue.bind(name, f"{topic}.{level}")
                    self._bound.add(name)
                except ChannelClosed as error:
                    self._sparse.warning("notifications.waiting", exchange=name, error=str(error))
                    missing.append(name)
                finally:
                    with suppress(*_LOST):
                        await channel.close()
        return missing

    async def _work(self, arrived: asyncio.Queue[AbstractIncomingMessage]) -> None:
        """Handle what has arrived, in its order and as much at once as there is."""
        while True:
            batch = [await arrived.get()]
            while len(batch) < BATCH and not arrived.empty():
                batch.append(arrived.get_nowait())
            notifications = [found for each in batch if (found := self._parsed(each)) is not None]
            if notifications:
                await self._handle(notifications)
            await batch[-1].ack(multiple=True)

    def _parsed(self, incoming: AbstractIncomingMessage) -> Notification | None:
        found = parse(incoming.body)
        if found is None:
            self._sparse.warning("notifications.unreadable", size=len(incoming.body))
        NOTIFICATIONS.labels("unreadable" if found is None else "read").inc()
        return found

    async def _handle(self, notifications: Sequence[Notification]) -> None:
        """Have them stored: while that cannot be done they stay unacknowledged."""
        pause, failures = 0.2, 0
        while True:
            try:
                return await self._handler(notifications)
            except TemporaryError as error:
                self._sparse.warning("notifications.later", error=str(error))
            except Exception as error:
                failures += 1
                if failures >= _PATIENCE and len(notifications) == 1:
                    self._sparse.warning("notifications.dropped", error=str(error).splitlines()[:1])
                    return None
                if len(notifications) > 1:
                    for one in notifications:
                        await self._handle([one])
                    return None
                self._sparse.warning("notifications.failed", error=str(error).splitlines()[:1])
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)
