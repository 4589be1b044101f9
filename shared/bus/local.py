"""The bus on Postgres: for one machine without a broker.

Rule: messages are rows; a delivery is a leased row. It behaves like quorum queues: one copy per bound queue, a delivery
limit, dead letters, and redelivery after a consumer was killed (when the lease expires).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

import asyncpg
import structlog

from shared.bus.attempts import Attempts
from shared.bus.contract import Consumer, Handler, Message, QueueSpec, Unroutable, Verdict
from shared.bus.topic import matches
from shared.db.away import is_away
from shared.db.engine import Database
from shared.domain.errors import JeroboamError, TemporaryError
from shared.domain.ids import new_id

log = structlog.get_logger(__name__)

CHANNEL = "jeroboam_bus"

_CLAIM = """
WITH ready AS (
    SELECT id FROM bus_messages
    WHERE queue = $1 AND available_at <= now() AND (lease_until IS NULL OR lease_until < now())
    ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE bus_messages m SET lease_token = $3, lease_until = now() + make_interval(secs => $4),
    deliveries = deliveries + 1
FROM ready WHERE m.id = ready.id
RETURNING m.id, message_id, routing_key, headers::text, body, deliveries
"""
_GIVE_BACK = """
UPDATE bus_messages SET lease_token = NULL, lease_until = NULL,
    deliveries = deliveries - $3, available_at = now() + make_interval(secs => $4)
WHERE id = $1 AND lease_token = $2
"""
_TO_DEAD = """
WITH gone AS (DELETE FROM bus_messages WHERE id = $1 AND lease_token = $2 RETURNING *)
INSERT INTO bus_messages (queue, message_id, routing_key, headers, body)
SELECT q.name, gone.message_id, gone.routing_key,
    gone.headers || jsonb_build_object('x-first-death-queue', gone.queue, 'x-first-death-reason', $3::text), gone.body
FROM gone, bus_queues q WHERE q.name = $4
"""


class LocalBus:
    """Args:
    database: contains the queues.
    queues: the topology.
    lease_seconds: time until the deliveries of a killed consumer are redelivered.
    """

    def __init__(
        self, database: Database, queues: Sequence[QueueSpec], *, lease_seconds: float = 30, poll_seconds: float = 1.0
    ) -> None:
        self._database = database
        self._queues = queues
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        self._woken: set[asyncio.Event] = set()
        self._listener: asyncio.Task[None] | None = None

    @property
    def dead_queue(self) -> str:
        return next(queue.name for queue in self._queues if queue.dead_letters)

    async def start(self) -> None:
        for queue in self._queues:
            bindings = [] if queue.dead_letters else list(queue.bindings)
            await self.execute(
                "INSERT INTO bus_queues (name, bindings, delivery_limit) VALUES ($1, $2::jsonb, $3) "
                "ON CONFLICT (name) DO UPDATE "
                "SET bindings = excluded.bindings, delivery_limit = excluded.delivery_limit",
                queue.name,
                json.dumps(bindings),
                queue.delivery_limit,
            )
        self._listener = asyncio.create_task(self._database.listen([CHANNEL], self._wake))

    def _wake(self, _channel: str) -> None:
        for event in self._woken:
            event.set()

    async def execute(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Execute a statement on the bus's connection. Raises TemporaryError while Postgres is not available."""
        async with self._lock:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._database.connect()
                return list(await self._connection.fetch(query, *arguments))
            except asyncio.CancelledError:
                self._drop_connection()
                raise
            except Exception as error:
                self._drop_connection()
                if not is_away(error):
                    raise
                raise TemporaryError(f"local bus: {error or type(error).__name__}") from error

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def publish(self, messages: Sequence[Message]) -> list[JeroboamError | None]:
        outcomes: list[JeroboamError | None] = []
        rows: list[tuple[str, Message]] = []
        for message in messages:
            targets = [q.name for q in self._queues if self._takes(q, message.routing_key)]
            rows += [(target, message) for target in targets]
            outcomes.append(Unroutable(message.routing_key) if message.mandatory and not targets else None)
        if rows:
            await self.execute(
                "WITH sent AS (INSERT INTO bus_messages (queue, message_id, routing_key, headers, body) "
                "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::bytea[]) RETURNING 1) "
                "SELECT pg_notify($6, '') FROM (SELECT count(*) FROM sent) counted",
                [target for target, _ in rows],
                [message.id for _, message in rows],
                [message.routing_key for _, message in rows],
                [json.dumps(dict(message.headers)) for _, message in rows],
                [message.body for _, message in rows],
                CHANNEL,
            )
        return outcomes

    @staticmethod
    def _takes(queue: QueueSpec, routing_key: str) -> bool:
        return not queue.dead_letters and any(matches(pattern, routing_key) for pattern in queue.bindings)

    async def consume(self, queue: QueueSpec, handler: Handler, *, prefetch: int = 10) -> Consumer:
        woken = asyncio.Event()
        self._woken.add(woken)
        consumer = _LocalConsumer(self, queue, handler, prefetch, woken)
        consumer.begin()
        return consumer

    async def claim(self, queue: QueueSpec, limit: int, token: str) -> list[asyncpg.Record]:
        rows = await self.execute(_CLAIM, queue.name, limit, token, self._lease_seconds)
        return sorted(rows, key=lambda row: int(row["id"]))

    async def settle(self, queue: QueueSpec, row: asyncpg.Record, token: str, verdict: Verdict) -> None:
        spent = row["deliveries"] > queue.delivery_limit
        if verdict is Verdict.DONE:
            await self.execute("DELETE FROM bus_messages WHERE id = $1 AND lease_token = $2", row["id"], token)
        elif verdict is Verdict.DEAD or (verdict is Verdict.FAILED and spent):
            reason = "rejected" if verdict is Verdict.DEAD else "delivery_limit"
            await self.execute(_TO_DEAD, row["id"], token, reason, self.dead_queue)
            await self.execute("SELECT pg_notify($1, '')", CHANNEL)
        else:
            uncounted = 1 if verdict is Verdict.LATER else 0
            await self.execute(_GIVE_BACK, row["id"], token, uncounted, 0.0 if uncounted else 0.05)

    @property
    def lease_seconds(self) -> float:
        return self._lease_seconds

    @property
    def poll_seconds(self) -> float:
        return self._poll_seconds

    def forget(self, woken: asyncio.Event) -> None:
        self._woken.discard(woken)

    async def check(self) -> None:
        await self.execute("SELECT 1")

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        if self._connection is not None:
            with suppress(Exception):
                await self._connection.close(timeout=2)


class _LocalConsumer:
    def __init__(self, bus: LocalBus, queue: QueueSpec, handler: Handler, prefetch: int, woken: asyncio.Event) -> None:
        self._bus = bus
        self._queue = queue
        # The lease of a delivery must not run out while it is held.
        self._attempts = Attempts(handler, queue.name, held_seconds=bus.lease_seconds / 2)
        self._prefetch = prefetch
        self._woken = woken
        self._loop: asyncio.Task[None] | None = None
        self._in_flight: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        self._loop = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._attempts.stopping:
            self._woken.clear()
            claimed: list[asyncpg.Record] = []
            # While it is paused, one delivery at a time finds out whether it can continue.
            room = (1 if self._attempts.paused else self._prefetch) - len(self._in_flight)
            token = new_id()
            if room > 0:
                try:
                    claimed = await self._bus.claim(self._queue, room, token)
                except TemporaryError as error:
                    log.warning("bus.claim_failed", queue=self._queue.name, error=str(error))
            for row in claimed:
                task = asyncio.create_task(self._deliver(row, token))
                self._in_flight.add(task)
                task.add_done_callback(self._finished)
            if (len(claimed) < room or room <= 0) and not self._attempts.stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._bus.poll_seconds):
                        await self._woken.wait()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._woken.set()

    async def _deliver(self, row: asyncpg.Record, token: str) -> None:
        message = Message(
            id=row["message_id"],
            routing_key=row["routing_key"],
            body=row["body"],
            headers=json.loads(row["headers"]),
            redelivered=row["deliveries"] > 1,
        )
        verdict = await self._attempts.verdict(message)
        try:
            await self._bus.settle(self._queue, row, token, verdict)
        except TemporaryError as error:
            # The message is redelivered when the lease expires; duplicates are normal.
            log.warning("bus.settle_failed", queue=self._queue.name, message=message.id, error=str(error))

    async def stop(self, grace: float = 10.0) -> None:
        # Not cancelled: an interrupted statement would break the shared connection.
        self._attempts.stop()
        self._woken.set()
        if self._loop is not None:
            await self._loop
        self._bus.forget(self._woken)
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
