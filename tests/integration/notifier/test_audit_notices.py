"""The audit log as CADF notifications, over a real RabbitMQ."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pydantic import SecretStr

from sandbox.rabbitmq import RabbitServer
from services.notifier.audit_notices import AuditNotices, action_of, payload, type_uri
from shared.audit_settings import AuditSettings
from shared.db.engine import Database
from shared.events.catalog import CATALOG
from shared.events.examples import example_of
from shared.events.log import emit


async def test_records_are_sent_in_the_form_of_the_middleware(database: Database, rabbit: RabbitServer) -> None:
    exchange = f"audit-{uuid4().hex[:8]}"
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    connection = await aio_pika.connect(rabbit.url)
    channel = await connection.channel()
    await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, auto_delete=True)
    queue = await channel.declare_queue("", exclusive=True)
    await queue.bind(exchange, "notifications.*")
    await queue.consume(arrived.put, no_ack=True)
    settings = AuditSettings(enabled=True, url=SecretStr(rabbit.url), exchange=exchange, host="c1")
    sender = AuditNotices(database, settings, poll_seconds=0.1)
    try:
        assert not await sender.send_batch()  # it begins here
        ids = []
        for name in AuditNotices.types:
            data = CATALOG[name].data.model_validate(example_of(CATALOG[name]))
            async with database.transaction() as session:
                ids.append(await emit(session, name, data, project_id="", subject="requests/r"))
        assert await sender.send_batch()
        async with asyncio.timeout(30):
            messages = [await arrived.get() for _ in ids]
    finally:
        await sender.close()
        await connection.close()
    told = [json.loads(json.loads(message.body)["oslo.message"]) for message in messages]
    assert [message.routing_key for message in messages] == ["notifications.info"] * 2
    assert [each["message_id"] for each in told] == [each["payload"]["id"] for each in told] == ids
    assert {each["event_type"] for each in told} == {"audit.http.response"}
    assert {each["publisher_id"] for each in told} == {"container-infra.c1"}
    accepted, rejected = (each["payload"] for each in told)
    datetime.strptime(accepted["eventTime"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert (accepted["action"], accepted["outcome"], accepted["reason"]["reasonCode"]) == ("delete", "success", "204")
    assert (rejected["outcome"], rejected["reason"]) == ("failure", {"reasonType": "HTTP", "reasonCode": "403"})
    assert accepted["target"]["typeURI"] == "service/container-infra/clusters"
    assert accepted["initiator"]["host"] == {"address": "203.0.113.7", "agent": "python-openstackclient"}
    assert accepted["requestPath"] == "/v1/clusters/demo"


async def test_somebody_unknown_is_told_of_as_unknown() -> None:
    record = {"request_id": "req-1", "method": "POST", "path": "/v1/x", "status": 401}
    found = payload({"id": "1", "time": datetime.fromisoformat("2026-01-31T12:00:00+00:00"), "data": record})
    initiator = found["initiator"]
    assert (initiator["id"], initiator["project_id"], initiator["host"]) == ("unknown", "unknown", {})
    assert initiator["credential"]["identity_status"] == "Invalid"
    assert found["target"]["typeURI"] == "unknown"


@pytest.mark.parametrize(
    ("method", "route", "action", "uri"),
    [
        ("POST", "/v1/clusters", "create", "service/container-infra/clusters"),
        ("POST", "/v1/clusters/{cluster_id}/nodegroups", "create", "service/container-infra/clusters/nodegroups"),
        (
            *("POST", "/v1/clusters/{cluster_id}/actions/resize"),
            *("update", "service/container-infra/clusters/actions/resize"),
        ),
        ("PATCH", "/v1/clusters/{cluster_id}", "update", "service/container-infra/clusters"),
        ("DELETE", "/v1/webhooks/{webhook}", "delete", "service/container-infra/webhooks"),
    ],
)
def test_actions_and_kinds(method: str, route: str, action: str, uri: str) -> None:
    assert (action_of(method, route), type_uri(route)) == (action, uri)
