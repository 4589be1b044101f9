"""Measures the relay's rate from a committed event to RabbitMQ's confirm, compared with plain aio-pika in the same run.

Both publish persistent messages of the same size and headers to the same exchange and quorum queue, plain aio-pika with
100 in flight. Rounds alternate, so that both run under the same conditions.
"""

from __future__ import annotations

import asyncio
import statistics
import time

import aio_pika
import asyncpg
from aio_pika.abc import AbstractExchange

from benchmarks.broker import running_broker
from benchmarks.measure import Figure
from sandbox.ports import free_port
from sandbox.postgres import temporary_postgres
from shared.bus.rabbit import RabbitBus
from shared.bus.topology import EXCHANGE, PROVISIONER, QUEUES
from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.domain.ids import new_id
from shared.events.envelope import to_message
from shared.events.relay import Relay

BUDGET_SHARE = 50.0
IN_FLIGHT = 100
_TYPE = "node.joined.v1"
_FILL = f"""
INSERT INTO events (id, type, subject, project_id, cluster_id, sequence, data)
SELECT gen_random_uuid()::text, '{_TYPE}', 'clusters/' || $1, 'p', $1, n,
       jsonb_build_object('node_id', gen_random_uuid(), 'name', 'demo-0123abcd-default-worker-' || n, 'nodegroup',
       'default-worker', 'role', 'worker', 'state', 'joined', 'reason', null, 'addresses',
       jsonb_build_array('10.0.0.7'))
FROM generate_series(1, $2::int) n
"""


async def run(*, events: int = 20000, rounds: int = 3) -> list[Figure]:
    """Measure on a new PostgreSQL and RabbitMQ.

    Args:
        events: number of events that each side publishes in each round.
        rounds: number of rounds, of which the median is reported.
    """
    async with temporary_postgres(free_port(), durable=True) as postgres, running_broker() as broker:
        url = postgres.url().replace("postgresql://", "postgresql+asyncpg://", 1)
        await migrate(url)
        return await measure(url, broker.url, events=events, rounds=rounds)


async def measure(database_url: str, amqp_url: str, *, events: int, rounds: int) -> list[Figure]:
    """Measure on an existing migrated database and broker; both are emptied."""
    ours: list[tuple[float, float]] = []
    bare: list[tuple[float, float]] = []
    database = Database(database_url, application_name="benchmark")
    plain = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    bus = RabbitBus(amqp_url, QUEUES)
    await bus.start()
    for _ in range(rounds):
        ours.append(await _relayed(plain, Relay(database, bus), events))
        bare.append(await _published(plain, amqp_url, events))
        await plain.execute("TRUNCATE events")
        await _purge(amqp_url)
    await bus.close()
    await plain.close()
    await database.close()
    shares = [mine[0] / other[0] * 100 for mine, other in zip(ours, bare, strict=True)]
    cpu = [mine[1] / other[1] for mine, other in zip(ours, bare, strict=True)]
    note = f"{events} events, {rounds} rounds"
    return [
        Figure("relay: committed -> confirmed", statistics.median(rate for rate, _ in ours), "events/s", note=note),
        Figure("bare aio-pika, 100 in flight", statistics.median(rate for rate, _ in bare), "messages/s", note=note),
        Figure("share", statistics.median(shares), "%", BUDGET_SHARE, at_least=True, note="median of all rounds"),
        Figure("client CPU per event, relay", statistics.median(each for _, each in ours) * 1e6, "us"),
        Figure("client CPU per message, bare aio-pika", statistics.median(each for _, each in bare) * 1e6, "us"),
        Figure("client CPU, relay / bare", statistics.median(cpu), "times"),
    ]


async def _relayed(plain: asyncpg.Connection, relay: Relay, events: int) -> tuple[float, float]:
    """Events per second, and CPU seconds per event."""
    await plain.execute(_FILL, new_id(), events)
    await plain.execute("VACUUM ANALYZE events")
    wall, cpu = time.perf_counter(), time.process_time()
    sent = await relay.flush()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert sent == events, f"{sent} of {events} events went out"
    return events / wall, cpu / events


async def _published(plain: asyncpg.Connection, url: str, events: int) -> tuple[float, float]:
    """The same for aio-pika alone, with messages like the relay's."""
    row = await plain.fetchrow(
        "SELECT id, type, subject, project_id, cluster_id, operation_id, sequence, data::text, trace, time FROM events "
        "LIMIT 1"
    )
    like = to_message(row)
    connection = await aio_pika.connect(url)
    exchange = await (await connection.channel()).get_exchange(EXCHANGE)
    remaining = iter(range(events))

    async def publish(exchange: AbstractExchange) -> None:
        for number in remaining:
            message = aio_pika.Message(
                like.body,
                message_id=str(number),
                content_type="application/json",
                headers=dict(like.headers),
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await exchange.publish(message, like.routing_key)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(publish(exchange) for _ in range(IN_FLIGHT)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await connection.close()
    return events / wall, cpu / events


async def _purge(url: str) -> None:
    """Empty the queue, so that all rounds start with the same length."""
    connection = await aio_pika.connect(url)
    queue = await (await connection.channel()).get_queue(PROVISIONER.name)
    await queue.purge()
    await connection.close()
