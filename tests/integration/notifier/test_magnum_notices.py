"""Magnum's notifications from the event log, over a real RabbitMQ: their form, their order, and processes that die."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pydantic import SecretStr
from sqlalchemy import text, update

from sandbox.rabbitmq import RabbitServer
from services.notifier.cadf import MEANINGS
from services.notifier.magnum_notices import MagnumNotices
from shared.db.engine import Database
from shared.db.models import Cluster
from shared.domain.errors import NotFound
from shared.domain.kinds import OperationKind
from shared.events.catalog import OperationCompleted, OperationFailed, OperationStarted
from shared.events.log import emit
from shared.pki.sealing import new_key
from shared.settings import MagnumNotificationSettings
from tests.support.rows import make_creating

# What Magnum 22 puts into a notification, in its order.
CONTENT = [
    *("status", "status_reason", "project_id", "created_at"),
    *("updated_at", "cluster_template_id", "keypair", "docker_volume_size:"),
    *("labels", "master_flavor_id", "flavor_id", "stack_id"),
    *("health_status", "create_timeout", "api_address", "discovery_url"),
    *("node_addresses", "master_addresses", "node_count", "master_count"),
]


@dataclass
class Heard:
    """A listener to an exchange as a service of OpenStack declares it."""

    exchange: str
    arrived: asyncio.Queue[AbstractIncomingMessage] = field(default_factory=asyncio.Queue)

    async def next(self) -> tuple[AbstractIncomingMessage, dict[str, Any]]:
        async with asyncio.timeout(30):
            message = await self.arrived.get()
        outer = json.loads(message.body)
        assert outer.keys() == {"oslo.version", "oslo.message"}
        assert outer["oslo.version"] == "2.0"
        inner: dict[str, Any] = json.loads(outer["oslo.message"])
        return message, inner


@pytest.fixture
async def heard(rabbit: RabbitServer) -> AsyncIterator[Heard]:
    found = Heard(f"magnum-{uuid4().hex[:8]}")
    connection = await aio_pika.connect(rabbit.url)
    channel = await connection.channel()
    await channel.declare_exchange(found.exchange, aio_pika.ExchangeType.TOPIC, auto_delete=True)
    queue = await channel.declare_queue("", exclusive=True)
    await queue.bind(found.exchange, "notifications.*")
    await queue.consume(found.arrived.put, no_ack=True)
    yield found
    await connection.close()


class Senders:
    """Makes senders, and ends their connections."""

    def __init__(self, database: Database, url: str) -> None:
        self._database, self._url = database, url
        self._made: list[MagnumNotices] = []

    def __call__(self, exchange: str, **changes: Any) -> MagnumNotices:
        settings = MagnumNotificationSettings(url=SecretStr(self._url), exchange=exchange, host="c1", **changes)
        self._made.append(MagnumNotices(self._database, settings, poll_seconds=0.1))
        return self._made[-1]

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self._made))


@pytest.fixture
async def notices(database: Database, rabbit: RabbitServer) -> AsyncIterator[Senders]:
    made = Senders(database, rabbit.url)
    yield made
    await made.close()


async def make(database: Database) -> tuple[str, str]:
    async with database.transaction() as session:
        cluster, operation = await make_creating(session)
        return cluster.uuid, operation.uuid


async def happens(database: Database, cluster: str, operation: str, kind: OperationKind, outcome: str) -> str:
    data: Any = {
        "started": OperationStarted(kind=kind),
        "completed": OperationCompleted(kind=kind, status="x", seconds=1),
        "failed": OperationFailed(kind=kind, status="x", step=None, reason="No valid host was found."),
    }[outcome]
    async with database.transaction() as session:
        name = f"{kind.traits.event}.{outcome}.v1"
        return await emit(session, name, data, project_id="p1", cluster=cluster, operation_id=operation)


async def test_the_form_is_magnums(database: Database, notices: Senders, heard: Heard) -> None:
    cluster, operation = await make(database)
    sender = notices(heard.exchange)
    assert not await sender.send_batch()  # it begins here
    async with database.transaction() as session:
        await session.execute(text("UPDATE nodegroups SET node_count = 3"))
    started = await happens(database, cluster, operation, OperationKind.CREATE, "started")
    failed = await happens(database, cluster, operation, OperationKind.UPGRADE, "failed")
    assert await sender.send_batch()
    message, told = await heard.next()
    assert message.routing_key == "notifications.info"
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    assert list(told) == [
        *("message_id", "publisher_id", "event_type", "priority", "payload", "timestamp", "_unique_id")
    ]
    assert told["message_id"] == told["payload"]["id"] == started
    assert told["publisher_id"] == "container-infra.c1"
    assert told["event_type"] == "magnum.cluster.create"
    assert told["priority"] == "INFO"
    datetime.strptime(told["timestamp"], "%Y-%m-%d %H:%M:%S.%f")
    event = told["payload"]
    assert event["typeURI"] == "http://schemas.dmtf.org/cloud/audit/1.0/event"
    assert (event["eventType"], event["action"], event["outcome"]) == ("activity", "create", "pending")
    assert datetime.strptime(event["eventTime"], "%Y-%m-%dT%H:%M:%S.%f%z").utcoffset() == timedelta(0)
    assert event["observer"]["typeURI"] == "service/magnum/cluster"
    assert event["initiator"]["typeURI"] == "service/security/account/user"
    assert (event["initiator"]["user_id"], event["initiator"]["project_id"]) == ("u", "p1")
    for part in ("observer", "initiator"):
        UUID(event[part]["id"])
    target = event["target"]
    assert (target["id"], target["typeURI"]) == (cluster, "service/magnum/cluster")
    (attachment,) = target["attachments"]
    assert (attachment["typeURI"], attachment["name"]) == ("service/magnum/cluster", "cluster_data")
    content = attachment["content"]
    assert list(content) == CONTENT
    assert content["status"] == "CREATE_IN_PROGRESS"
    assert content["project_id"] == "p1"
    assert (content["master_count"], content["node_count"]) == (3, 0)

    message, told = await heard.next()
    assert message.routing_key == "notifications.error"
    assert (told["event_type"], told["priority"]) == ("magnum.cluster.update", "ERROR")
    assert told["message_id"] == failed
    assert (told["payload"]["action"], told["payload"]["outcome"]) == ("update", "failure")
    content = told["payload"]["target"]["attachments"][0]["content"]
    assert (content["status"], content["status_reason"]) == ("UPDATE_FAILED", "No valid host was found.")


async def test_a_cluster_that_is_gone_is_told_of_by_its_name(
    database: Database, notices: Senders, heard: Heard
) -> None:
    cluster, operation = await make(database)
    sender = notices(heard.exchange)
    assert not await sender.send_batch()
    await happens(database, cluster, operation, OperationKind.DELETE, "completed")
    async with database.transaction() as session:
        name = await session.scalar(text("SELECT name FROM clusters"))
        await session.execute(text("DELETE FROM clusters"))
    assert await sender.send_batch()
    _, told = await heard.next()
    target = told["payload"]["target"]
    assert (told["event_type"], told["payload"]["outcome"]) == ("magnum.cluster.delete", "success")
    assert (target["id"], target["name"]) == (cluster, name)
    assert target["attachments"][0]["content"]["status"] == "DELETE_COMPLETE"


async def test_every_kind_has_the_meaning_that_magnum_gives_it() -> None:
    pending = {name for name, meaning in MEANINGS.items() if meaning.outcome == "pending"}
    assert pending == {f"cluster.{kind}.started.v1" for kind in ("create", "delete", "resize", "upgrade")}
    for kind in OperationKind:
        word = kind.value if kind in (OperationKind.CREATE, OperationKind.DELETE) else "update"
        for outcome in ("completed", "failed"):
            assert MEANINGS[f"{kind.traits.event}.{outcome}.v1"].event_type == f"magnum.cluster.{word}"


async def test_an_exchange_that_does_not_exist_holds_events_for_a_while(
    database: Database, notices: Senders, heard: Heard
) -> None:
    cluster, operation = await make(database)
    sender = notices(f"missing-{heard.exchange}")
    assert not await sender.send_batch()
    first = await happens(database, cluster, operation, OperationKind.CREATE, "started")
    with pytest.raises(NotFound):
        await sender.send_batch()
    sender = notices(heard.exchange)
    assert await sender.send_batch()
    assert (await heard.next())[1]["message_id"] == first
    # One that is too old is given up, and those after it follow.
    await happens(database, cluster, operation, OperationKind.CREATE, "completed")
    assert await notices(f"missing-{heard.exchange}", hold_minutes=0).send_batch()
    later = await happens(database, cluster, operation, OperationKind.RESIZE, "started")
    assert await sender.send_batch()
    assert (await heard.next())[1]["message_id"] == later


def environment(database_url: str, url: str, exchange: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "JEROBOAM_DATABASE_URL": database_url,
        "JEROBOAM_SECRET_KEYS": json.dumps([new_key()]),
        "JEROBOAM_CLOUD__AUTH_URL": "http://127.0.0.1:9/v3",
        "JEROBOAM_CLOUD__USERNAME": "u",
        "JEROBOAM_CLOUD__PASSWORD": "p",
        "JEROBOAM_CLOUD__PROJECT_NAME": "service",
        "JEROBOAM_MAGNUM_NOTIFICATIONS__URL": url,
        "JEROBOAM_MAGNUM_NOTIFICATIONS__EXCHANGE": exchange,
    }


@pytest.mark.timeout(120)
async def test_a_process_that_is_killed_loses_nothing_and_keeps_each_clusters_order(
    database: Database, database_url: str, rabbit: RabbitServer, notices: Senders, heard: Heard
) -> None:
    made = [await make(database) for _ in range(3)]
    assert not await notices(heard.exchange).send_batch()
    expected: dict[str, list[str]] = {cluster: [] for cluster, _ in made}
    for kind, outcome in ((OperationKind.CREATE, "started"), (OperationKind.CREATE, "completed")):
        for cluster, operation in made:
            expected[cluster].append(await happens(database, cluster, operation, kind, outcome))

    async def start(**more: str) -> asyncio.subprocess.Process:
        variables = environment(database_url, rabbit.url, heard.exchange) | more
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.notifier", env=variables, stdout=-3, stderr=-3
        )

    doomed = await start(JEROBOAM_CRASH_AT="notifier.magnum_notices_sent")
    async with asyncio.timeout(40):
        assert await doomed.wait() == -signal.SIGKILL
    async with database.transaction() as session:
        await session.execute(text("UPDATE log_readers SET lease_until = now() - interval '1 second'"))
    for cluster, operation in made:
        expected[cluster].append(await happens(database, cluster, operation, OperationKind.RESIZE, "started"))
    heir = await start()
    try:
        found: dict[str, list[str]] = {cluster: [] for cluster, _ in made}
        # Six were sent and not recorded, so they come twice; three more came after.
        for _ in range(6 + 9):
            _, told = await heard.next()
            found[told["payload"]["target"]["id"]].append(told["message_id"])
    finally:
        heir.terminate()
        async with asyncio.timeout(30):
            assert await heir.wait() == 0
    for cluster, ids in expected.items():
        assert found[cluster] == ids[:2] + ids


async def test_only_the_holder_of_the_lease_reads(database: Database, notices: Senders, heard: Heard) -> None:
    cluster, operation = await make(database)
    sender = notices(heard.exchange)
    assert not await sender.send_batch()
    await happens(database, cluster, operation, OperationKind.CREATE, "started")
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE log_readers SET lease_token = 'x', lease_until = now() + interval '1 minute'")
        )
    assert not await sender.send_batch()
    assert heard.arrived.empty()
    async with database.transaction() as session:
        await session.execute(update(Cluster).values(health_status="HEALTHY"))
        await session.execute(text("UPDATE log_readers SET lease_until = now() - interval '1 second'"))
    assert await sender.send_batch()
    _, told = await heard.next()
    assert told["payload"]["target"]["attachments"][0]["content"]["health_status"] == "HEALTHY"
    assert not await sender.send_batch()
