"""Prints the events of clusters from RabbitMQ: python consumer.py amqp://user:password@host/ 'cluster.#'

The queue is durable: events that happen while this program does not run are delivered when it runs again.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aio_pika

EXCHANGE = "jeroboam.events"
QUEUE = "example.cluster-log"


async def main(url: str, pattern: str) -> None:
    seen: set[str] = set()  # a real program keeps the IDs where it keeps its results
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=10)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(EXCHANGE, routing_key=pattern)
        print("ready", flush=True)
        async with queue.iterator() as messages:
            async for message in messages:
                if message.message_id not in seen:  # an event can be delivered twice
                    seen.add(message.message_id or "")
                    data = json.loads(message.body)
                    print(message.headers["ce-type"], message.headers["ce-subject"], json.dumps(data), flush=True)
                await message.ack()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
