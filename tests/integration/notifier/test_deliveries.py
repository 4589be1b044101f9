"""Webhooks from the request that creates one to the receiver: signatures, filters, formats, retries, order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook as Verifier

from services.notifier.service import Notifier
from shared.db.engine import Database
from shared.events.catalog import NodeChanged, OperationCompleted
from shared.events.log import emit
from tests.support.hooks import Listener, listening, loopback, response, running_notifier
from tests.support.memory_api import MemoryApi, memory_api
from tests.support.rows import make_cluster


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url, webhooks=loopback(retry_seconds=[0.1, 0.1, 0.1])) as found:
        yield found


@pytest.fixture
async def notifier(database: Database, api: MemoryApi) -> AsyncIterator[Notifier]:
    async with running_notifier(database, api.deps.settings) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Listener]:
    async with listening() as found:
        yield found


async def create(api: MemoryApi, receiver: Listener, **fields: Any) -> dict[str, Any]:
    answer = await api.client.post("/v1/webhooks", json={"name": "w", "url": receiver.url} | fields)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def completed(database: Database, cluster: str | None = None, *, project: str = "p1") -> tuple[str, str]:
    """A cluster's event; returns the cluster's UUID and the event's ID."""
    async with database.transaction() as session:
        cluster = cluster or (await make_cluster(session, project_id=project)).uuid
        data = OperationCompleted(kind="create", status="CREATE_COMPLETE", seconds=1.5)
        event = await emit(session, "cluster.create.completed.v1", data, project_id=project, cluster=cluster)
    return cluster, event


async def joined(database: Database, cluster: str, state: str = "joined") -> str:
    async with database.transaction() as session:
        data = NodeChanged(node_id="n", name="n-0", nodegroup="g", role="worker", state=state)
        return await emit(session, f"node.{state}.v1", data, project_id="p1", cluster=cluster)


async def settled(api: MemoryApi, webhook: str) -> list[dict[str, Any]]:
    """All deliveries, oldest first, once none is waiting."""
    async with asyncio.timeout(20):
        while True:
            answer = await api.client.get(f"/v1/webhooks/{webhook}/deliveries")
            deliveries = answer.json()["deliveries"]
            if all(each["state"] != "pending" for each in deliveries):
                return list(reversed(deliveries))
            await asyncio.sleep(0.02)


async def test_an_event_arrives_signed(
    api: MemoryApi, notifier: Notifier, receiver: Listener, database: Database
) -> None:
    webhook = await create(api, receiver, event_types=["cluster.*.completed"])
    cluster, event = await completed(database)
    await joined(database, cluster)
    (request,) = await receiver.until(1)
    verified = Verifier(webhook["secret"]).verify(request.body, request.headers)
    assert verified["type"] == "io.jeroboam.cluster.create.completed.v1"
    assert verified["id"] == request.id == event
    assert (verified["subject"], verified["clusterid"]) == (f"clusters/{cluster}", cluster)
    assert verified["data"]["status"] == "CREATE_COMPLETE"
    assert request.headers["content-type"] == "application/cloudevents+json"
    (delivery,) = await settled(api, "w")
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("delivered", 1, 204)
    shown = (await api.client.get(f"/v1/webhooks/w/deliveries/{delivery['uuid']}")).json()
    assert shown["request_body"].encode() == request.body
    (attempt,) = shown["log"]
    assert attempt["request_headers"]["webhook-signature"] == request.headers["webhook-signature"]
    assert attempt["status"] == 204
    assert webhook["secret"] not in (await api.client.get("/v1/webhooks/w")).text


async def test_failures_are_retried_and_exhausted(
    api: MemoryApi, notifier: Notifier, receiver: Listener, database: Database
) -> None:
    receiver.respond = lambda _request: response(500, body=b"no")
    await create(api, receiver)
    _, event = await completed(database)
    await receiver.until(1)
    async with database.transaction() as session:
        await session.execute(text("UPDATE webhooks SET held_until = NULL"))
    (delivery, *_) = await settled(api, "w")
    assert (delivery["state"], delivery["last_status"]) == ("failed", 500)
    assert {each.id for each in receiver.received} == {event}
