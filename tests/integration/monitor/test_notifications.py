"""Heat's notifications over a real RabbitMQ, in oslo.messaging's own envelope, become events and wake the operation."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from sqlalchemy import text

from sandbox.rabbitmq import RabbitServer
from services.monitor.openstack import OpenStackEvents
from shared.bus.notifications import Notification, NotificationListener, parse
from shared.db.engine import Database
from shared.events.envelope import to_message
from shared.operations.leases import Leases
from shared.operations.plan import Wait
from shared.operations.runner import Runner
from shared.runtime.handlers import Handlers
from tests.support.plans import ScriptedPlan
from tests.support.rows import make_creating


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

    async def handle(notification: Notification) -> None:
        if failures.pop() if failures else 0:
            raise ConnectionError("the database is away")
        await events(notification)
        if notification.id == "last":
            stored.set()

    listener = NotificationListener(rabbit.url, [exchange_name], handle)
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
    await channel.queue_delete("jeroboam.openstack.v1")
    await connection.close()

    found = await stack_events(database)
    assert len(found) == 2
    assert found[0]["data"]["stack_name"] == name
    assert found[0]["data"]["status"] == "CREATE_COMPLETE"
    assert found[0]["data"]["stack_id"] == "0b1c"

    changed: list[str] = []
    assert (await Leases(database, ["create"], seconds=60).seconds_to_next() or 0) > 2000
    await Handlers(database, lambda: None, changed.append)(to_message(found[0]))
    assert changed == ["p1"]
    assert (await Leases(database, ["create"], seconds=60).seconds_to_next() or 0) < 1


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{}", b'{"oslo.message": 3}', b'{"oslo.message": "{}"}', b'"x"', b"null"]
)
def test_what_is_no_notification_is_none(body: bytes) -> None:
    assert parse(body) is None
