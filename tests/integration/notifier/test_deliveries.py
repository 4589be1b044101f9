"""Webhooks from the request that creates one to the receiver: signatures, filters, formats, and what users see."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from services.notifier.retention import sweep
from services.notifier.service import Notifier
from shared.telemetry.trace import in_trace, new_trace
from tests.support.hooks import Listener, listening, response
from tests.support.webhook_stage import Stage, ids

CREATED, FAILED, JOINED = "cluster.create.completed.v1", "cluster.create.failed.v1", "node.joined.v1"
pytestmark = pytest.mark.usefixtures("notifier")


async def test_an_event_arrives_signed(stage: Stage, receiver: Listener) -> None:
    webhook = await stage.webhook(receiver.url, event_types=["cluster.*.completed"])
    cluster = await stage.cluster()
    with in_trace(trace := new_trace()):
        event, _ = await stage.emit(cluster, CREATED, JOINED)
    (request,) = await receiver.until(1)
    verified = Verifier(webhook["secret"]).verify(request.body, request.headers)
    assert verified["traceparent"] == request.headers["traceparent"] == trace
    assert verified["type"] == "io.jeroboam.cluster.create.completed.v1"
    assert verified["id"] == request.id == event
    assert (verified["subject"], verified["clusterid"]) == (f"clusters/{cluster}", cluster)
    assert verified["data"]["status"] == "CREATE_COMPLETE"
    assert request.headers["content-type"] == "application/cloudevents+json"
    (delivery,) = await stage.settled()
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("delivered", 1, 204)
    shown = await stage.call("GET", f"/w/deliveries/{delivery['uuid']}")
    assert shown["request_body"].encode() == request.body
    (attempt,) = shown["log"]
    assert attempt["request_headers"]["webhook-signature"] == request.headers["webhook-signature"]
    assert attempt["status"] == 204
    assert webhook["secret"] not in str(await stage.call("GET", "/w"))


async def test_the_plain_body(stage: Stage, receiver: Listener) -> None:
    webhook = await stage.webhook(receiver.url, format="plain")
    cluster = await stage.cluster()
    await stage.emit(cluster, CREATED)
    (request,) = await receiver.until(1)
    verified = Verifier(webhook["secret"]).verify(request.body, request.headers)
    assert verified["type"] == "cluster.create.completed"
    assert verified["cluster_id"] == cluster
    assert verified["data"]["seconds"] == 1.5
    assert datetime.fromisoformat(verified["timestamp"]) < datetime.now(UTC)
    assert request.headers["content-type"] == "application/json"
    assert "traceparent" not in request.headers, "no request caused this event"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [CREATED, FAILED, JOINED]),
        ({"event_types": ["*"]}, [CREATED, FAILED, JOINED]),
        ({"event_types": ["io.jeroboam.cluster.create.completed.v1"]}, [CREATED]),
        ({"event_types": ["cluster.*.failed", "node.*"]}, [FAILED, JOINED]),
        ({"outcomes": ["failed"]}, [FAILED]),
        ({"outcomes": ["failed"], "event_types": ["node.*"]}, []),
        ({"cluster_ids": ["other"]}, [JOINED]),
    ],
)
async def test_filters(stage: Stage, receiver: Listener, filters: dict[str, Any], expected: list[str]) -> None:
    cluster, other = await stage.cluster(), await stage.cluster()
    if "cluster_ids" in filters:
        filters = {"cluster_ids": [other]}
    await stage.webhook(receiver.url, **filters)
    await stage.webhook(receiver.url, "all")
    await stage.emit(cluster, CREATED, FAILED)
    await stage.emit(other, JOINED)
    foreign = await stage.cluster("p4")
    await stage.emit(foreign, CREATED, project="p4")
    await stage.settled("all", 3)
    assert [each["event_type"] for each in await stage.settled("w", len(expected))] == expected


async def test_failures_are_retried_with_the_same_id_and_then_given_up(stage: Stage, receiver: Listener) -> None:
    receiver.respond = lambda request: response(500, body=request.path.encode())
    await stage.webhook(receiver.url)
    (event,) = await stage.emit(await stage.cluster(), CREATED)
    (delivery,) = await stage.settled()
    assert ids(receiver.received) == [event] * 3
    assert len({request.body for request in receiver.received}) == 1
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("failed", 3, 500)
    log = (await stage.call("GET", f"/w/deliveries/{delivery['uuid']}"))["log"]
    assert [(each["number"], each["status"], each["response_body"]) for each in log] == [
        (number, 500, "/hook") for number in (1, 2, 3)
    ]
    assert await stage.own_events() == ["webhook.exhausted"]
    shown = await stage.until("w", status="failing")
    assert shown["status_reason"] == "the receiver answered 500"
    await stage.let_through()
    receiver.respond = lambda _request: response()
    await stage.emit(await stage.cluster(), CREATED)
    await stage.settled("w", 2)
    await stage.until("w", status="active", failing_since=None)
    assert await stage.own_events() == ["webhook.exhausted", "webhook.recovered"]


async def test_410_disables_at_once(stage: Stage, receiver: Listener) -> None:
    receiver.respond = lambda _request: response(410)
    await stage.webhook(receiver.url)
    async with listening() as other:
        await stage.webhook(other.url, "watcher", event_types=["webhook.*"])
        cluster = await stage.cluster()
        await stage.emit(cluster, CREATED)
        shown = await stage.until("w", status="disabled", enabled=False)
        assert shown["status_reason"] == "the receiver answered 410 (Gone)"
        (told,) = await other.until(1)
        assert told.json["type"] == "io.jeroboam.webhook.disabled.v1"
        assert told.json["data"]["reason"] == shown["status_reason"]
        # Nothing is sent to it, or kept for it; other webhooks are not affected.
        await stage.emit(cluster, JOINED)
        await asyncio.sleep(0.3)
        assert len(receiver.received) == len(await stage.deliveries()) == 1
    receiver.respond = lambda _request: response()
    assert (await stage.patch(enabled=True))["status"] == "active"
    since = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    assert await stage.call("POST", "/w/redeliver", {"since": since}, status=202) == {"deliveries": 2, "more": False}
    assert {each["state"] for each in await stage.settled("w", 2)} == {"delivered"}


async def test_a_webhook_that_fails_for_days_is_disabled(stage: Stage, receiver: Listener) -> None:
    receiver.respond = lambda _request: response(500)
    await stage.webhook(receiver.url)
    await stage.sql("UPDATE webhooks SET failures = 9, failing_since = now() - interval '5 days 1 minute'")
    await stage.emit(await stage.cluster(), CREATED)
    shown = await stage.until("w", status="disabled")
    assert shown["status_reason"] == ("no delivery succeeded for 120 hours; the last error: the receiver answered 500")
    assert await stage.own_events() == ["webhook.disabled"]


async def test_webhooks_about_webhooks_come_to_an_end(stage: Stage, receiver: Listener) -> None:
    """Two webhooks whose receivers always fail, each told about the other."""
    receiver.respond = lambda _request: response(500)
    for name in ("a", "b"):
        await stage.webhook(receiver.url, name)
    await stage.emit(await stage.cluster(), CREATED)
    quiet, before = 0, -1
    async with asyncio.timeout(30):
        while quiet < 3:
            for name in ("a", "b"):
                await stage.let_through(name)
            await asyncio.sleep(0.4)
            quiet, before = (quiet + 1 if len(receiver.received) == before else 0), len(receiver.received)
    assert sorted(await stage.own_events()) == ["webhook.exhausted"] * 2
    # Each: three attempts of the cluster's event, three of the other webhook's event.
    assert len(receiver.received) == 12


async def test_a_rotated_secret_overlaps(stage: Stage, receiver: Listener) -> None:
    old = (await stage.webhook(receiver.url))["secret"]
    cluster = await stage.cluster()
    rotated = await stage.call("POST", "/w/rotate-secret")
    assert (await stage.call("GET", "/w"))["old_secret_until"] == rotated["old_secret_until"]
    await stage.emit(cluster, CREATED)
    (first,) = await receiver.until(1)
    for secret in (old, rotated["secret"]):
        Verifier(secret).verify(first.body, first.headers)
    await stage.sql("UPDATE webhooks SET old_secret_until = now() - interval '1 second'")
    await stage.settled()
    await stage.emit(cluster, CREATED)
    second = (await receiver.until(2))[1]
    Verifier(rotated["secret"]).verify(second.body, second.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(old).verify(second.body, second.headers)
    (sealed,) = await stage.rows("SELECT secret, old_secret FROM webhooks")
    assert rotated["secret"].encode() not in sealed.secret


async def test_pause_and_resume(stage: Stage, receiver: Listener) -> None:
    await stage.webhook(receiver.url, enabled=False)
    cluster = await stage.cluster()
    await stage.emit(cluster, CREATED, JOINED)
    async with asyncio.timeout(10):
        while len(await stage.deliveries()) < 2:
            await asyncio.sleep(0.02)
    for path in ("/w/test", f"/w/deliveries/{(await stage.deliveries())[0]['uuid']}/redeliver"):
        await stage.call("POST", path, status=409)
    assert receiver.received == []
    await stage.patch(enabled=True)
    await stage.settled("w", 2)
    assert [request.json["type"].split(".")[2] for request in receiver.received] == ["cluster", "node"]


async def test_a_test_goes_to_one_webhook(stage: Stage, receiver: Listener) -> None:
    for name in ("w", "other"):
        await stage.webhook(receiver.url, name, event_types=["cluster.*"])
    uuid = (await stage.call("POST", "/w/test", status=202))["uuid"]
    (delivery,) = await stage.settled()
    assert delivery["uuid"] == uuid
    (request,) = receiver.received
    assert request.json["type"] == "io.jeroboam.webhook.tested.v1"
    assert await stage.deliveries("other") == []


async def test_redelivery(stage: Stage, receiver: Listener) -> None:
    receiver.respond = lambda _request: response(500)
    await stage.webhook(receiver.url)
    cluster = await stage.cluster()
    (event,) = await stage.emit(cluster, CREATED)
    (delivery,) = await stage.settled()
    await stage.let_through()
    receiver.respond = lambda _request: response()
    receiver.received.clear()
    await stage.call("POST", f"/w/deliveries/{delivery['uuid']}/redeliver", status=202)
    (again,) = await stage.settled()
    assert (again["state"], again["attempts"], again["uuid"]) == ("delivered", 4, delivery["uuid"])
    assert ids(receiver.received) == [event]
    since = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    assert await stage.call("POST", "/w/redeliver", {"since": since}, status=202) == {"deliveries": 0, "more": False}
    everything = {"since": since, "all": True}
    assert (await stage.call("POST", "/w/redeliver", everything, status=202))["deliveries"] == 1
    await receiver.until(2)
    assert ids(receiver.received) == [event] * 2


async def test_what_readers_see(stage: Stage, receiver: Listener) -> None:
    receiver.respond = lambda _request: response(200, "x-key: k\r\n", b"body with a key")
    await stage.webhook(f"{receiver.url}?token=abc")
    await stage.emit(await stage.cluster(), CREATED)
    (delivery,) = await stage.settled()
    path = f"/w/deliveries/{delivery['uuid']}"
    assert "token=abc" in str(await stage.call("GET", "/w"))
    assert "body with a key" in str(await stage.call("GET", path))
    for place in ("", "/w", "/w/deliveries", path):
        shown = str(await stage.call("GET", place, token="reader"))
        for secret in ("token=abc", "body with a key", "x-key", "webhook-signature", "whsec_"):
            assert secret not in shown
    assert (await stage.call("GET", "/w", token="reader"))["url"] == f"http://127.0.0.1:{receiver.port}/..."


async def test_old_deliveries_are_deleted(stage: Stage, receiver: Listener) -> None:
    await stage.webhook(receiver.url)
    cluster = await stage.cluster()
    await stage.emit(cluster, CREATED, JOINED)
    old, kept = await stage.settled("w", 2)
    await stage.sql(
        "UPDATE webhook_deliveries SET created_at = now() - interval '15 days' WHERE uuid = :uuid", uuid=old["uuid"]
    )
    assert await sweep(stage.api.deps.db, days=14) == 1
    assert [each["uuid"] for each in await stage.deliveries()] == [kept["uuid"]]
    (count,) = await stage.rows("SELECT count(*) AS number FROM webhook_attempts")
    assert count.number == 1


async def test_a_deleted_webhook_gets_nothing(stage: Stage, receiver: Listener, notifier: Notifier) -> None:
    receiver.respond = lambda _request: asyncio.sleep(0.2, response())
    await stage.webhook(receiver.url)
    cluster = await stage.cluster()
    await stage.emit(cluster, *[JOINED] * 30)
    await receiver.until(1)
    await stage.call("DELETE", "/w", status=204)
    await asyncio.sleep(0.5)
    received = len(receiver.received)
    assert received < 30
    await asyncio.sleep(0.5)
    assert len(receiver.received) == received
    assert await stage.rows("SELECT 1 FROM webhook_deliveries") == []
