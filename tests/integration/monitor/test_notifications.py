"""Heat's notifications over a real RabbitMQ, in oslo.messaging's own envelope, become events and wake the operation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import aio_pika
from sqlalchemy import text

from sandbox.rabbitmq import RabbitServer
from services.monitor.openstack import OpenStackEvents
from shared.bus.notifications import NotificationListener, Source
from shared.bus.oslo import Notification
from shared.cloud.stack_list import StackList
from shared.db.engine import Database
from shared.domain.errors import TemporaryError
from shared.events.envelope import to_message
from shared.operations.leases import Leases
from shared.operations.plan import Wait
from shared.operations.runner import Runner
from shared.runtime.handlers import Handlers
from tests.support.plans import ScriptedPlan
from tests.support.rows import make_creating
from tests.support.scripted_nova import ScriptedNova


def heat_says(name: str, *, message_id: str = "m1", event: str = "orchestration.stack.create.end") -> bytes:
    inner = {
        "message_id": message_id,
        "publisher_id": "orchestration.lab",
        "event_type": event,
        "priority": "INFO",
        "payload": {
            "stack_name": name,
            "stack_identity": "arn:openstack:heat::p1:stacks/x/0b1c",
            "state": "CREATE_COMPLETE",
            "state_reason": "Stack CREATE completed successfully",
            "tenant_id": "p1",
        },
        "timestamp": "2026-11-22 09:00:00.000000",
    }
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode()


async def waiting_cluster(database: Database) -> str:
    async with database.transaction() as session:
        cluster, _ = await make_creating(session)
        uuid = cluster.uuid
    (claim,) = await Leases(database, ["create"], seconds=60).claim(1)
    await Runner(database, [ScriptedPlan({"only": [Wait("stack", 3000)]})]).execute(claim)
    return uuid


async def stack_events(database: Database) -> list[Any]:
    async with database.transaction() as session:
        found = await session.execute(text("SELECT * FROM events WHERE type = 'stack.changed.v1' ORDER BY seq"))
        return list(found.mappings())


async def test_over_rabbitmq(database: Database, rabbit: RabbitServer) -> None:
    cluster = await waiting_cluster(database)
    exchange_name = f"heat-{uuid4().hex[:8]}"
    connection = await aio_pika.connect(rabbit.url)
    channel = await connection.channel()
    # As oslo.messaging declares it: a topic exchange that is not durable.
    exchange = await channel.declare_exchange(exchange_name, aio_pika.ExchangeType.TOPIC)
    stored = asyncio.Event()
    events = OpenStackEvents(database)
    failures = [1]

    async def handle(notifications: Sequence[Notification]) -> None:
        if failures.pop() if failures else 0:
            raise TemporaryError("the database is away")
        await events(notifications)
        if any(each.id == "last" for each in notifications):
            stored.set()

    source = Source(rabbit.url, [exchange_name], queue=f"jeroboam.{exchange_name}")
    listener = NotificationListener(source, handle)
    running = asyncio.create_task(listener.run())
    async with asyncio.timeout(20):
        await listener.listening.wait()
    name = f"jeroboam-{cluster}-base"
    for body in (
        heat_says(name),
        heat_says(name),  # oslo.messaging may send one twice
        b"rubbish",
        heat_says("somebody-elses-stack", message_id="m2"),
        heat_says(name, message_id="m3", event="orchestration.stack.create.start"),
        heat_says(f"jeroboam-{uuid4()}-base", message_id="m4"),
        heat_says(name, message_id="last"),
    ):
        await exchange.publish(aio_pika.Message(body), "notifications.info")
    async with asyncio.timeout(20):
        await stored.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await channel.queue_delete(source.queue)
    await connection.close()

    found = await stack_events(database)
    assert len(found) == 2
    assert found[0]["data"]["stack_name"] == name
    assert found[0]["data"]["status"] == "CREATE_COMPLETE"
    assert found[0]["data"]["stack_id"] == "0b1c"

    assert (await Leases(database, ["create"], seconds=60).seconds_to_next() or 0) > 2000
    heat: Any = ScriptedNova()
    stacks = StackList(heat)
    assert await stacks.by_name("p1") == {}
    handlers = Handlers(database, lambda: None, stacks)
    await handlers(to_message(found[0]))
    await handlers.close()
    assert (await Leases(database, ["create"], seconds=60).seconds_to_next() or 0) < 1
