"""Measures the time from the last node's report to CREATE_COMPLETE, as seen by consumers.

A create ends when its last node has joined. The times from the API's receipt of that report are measured until the
operation has ended in the database, until a consumer of the event stream receives `cluster.create.completed` (which is
not before the status is visible), and until a consumer of RabbitMQ receives it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import asyncpg
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.broker import running_broker
from benchmarks.client import Moments, completions, user_of
from benchmarks.measure import Figure, p50_p99
from sandbox.run import running_sandbox
from shared.bus.topology import EXCHANGE

BUDGET_MS = 250.0
_TIMES = """
SELECT extract(epoch FROM max(n.joined_at))::float8 AS joined, extract(epoch FROM o.finished_at)::float8 AS finished
FROM operations o JOIN nodes n USING (cluster_id) WHERE cluster_id = $1 AND o.kind = 'create' GROUP BY o.finished_at
"""


async def run(*, creates: int = 30) -> list[Figure]:
    """Measure.

    Args:
        creates: number of clusters of one master and one worker, created sequentially.
    """
    ended: list[float] = []
    streamed: list[float] = []
    bussed: list[float] = []
    async with (
        running_broker() as broker,
        running_sandbox(amqp_url=broker.url) as sandbox,
        user_of(sandbox) as user,
        completions(user) as stream,
        _consumed(broker.url) as bus,
    ):
        template = await user.make_template()
        database = await asyncpg.connect(sandbox.database_url)
        for number in range(creates):
            cluster = await user.create(template, f"c{number}")
            on_stream = await stream.wait(cluster)
            on_bus = await bus.wait(cluster)
            times = await database.fetchrow(_TIMES, cluster)
            ended.append(times["finished"] - times["joined"])
            streamed.append(on_stream - times["joined"])
            bussed.append(on_bus - times["joined"])
            await user.delete(cluster)
            await user.wait_gone()
        await database.close()
    return [
        *p50_p99("last node joined -> operation ended", ended),
        *p50_p99("last node joined -> event on the stream", streamed, p99=BUDGET_MS),
        *p50_p99("last node joined -> event from RabbitMQ", bussed, p99=BUDGET_MS),
    ]


@asynccontextmanager
async def _consumed(url: str) -> AsyncIterator[Moments]:
    """Record when a cluster's completion arrives from RabbitMQ, on a separate queue."""
    moments = Moments()

    async def received(message: AbstractIncomingMessage) -> None:
        moments.note(str(message.headers["ce-clusterid"]))

    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(EXCHANGE, "cluster.create.completed.v1")
    await queue.consume(received, no_ack=True)
    try:
        yield moments
    finally:
        await connection.close()
