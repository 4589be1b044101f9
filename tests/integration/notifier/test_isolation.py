"""One receiver never costs another one anything, none is flooded, and several processes share the work."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from services.notifier.claims import Claims
from services.notifier.service import Notifier
from shared.db.engine import Database
from shared.domain.ids import new_id
from shared.settings import WebhookSettings
from tests.support.hooks import Listener, Received, listening, loopback, response, running_notifier
from tests.support.webhook_stage import Stage, ids

HANGS = 8  # seconds for an attempt, far longer than all deliveries to a receiver that answers take
CREATED, JOINED = "cluster.create.completed.v1", "node.joined.v1"


async def test_a_hanging_receiver_delays_no_other(database: Database, stage: Stage, receiver: Listener) -> None:
    patient = stage.api.deps.settings.webhooks.model_copy(update={"timeout_seconds": HANGS})
    settings = stage.api.deps.settings.model_copy(update={"webhooks": patient})
    async with listening() as hanging, running_notifier(database, settings):
        hanging.respond = lambda _request: None
        for number in range(10):
            await stage.webhook(hanging.url, f"hangs-{number}")
        await stage.webhook(receiver.url)
        cluster = await stage.cluster()
        began = time.monotonic()
        await stage.emit(cluster, *[JOINED] * 50)
        await receiver.until(50, seconds=10)
        took = time.monotonic() - began
        assert hanging.open_now <= 10  # one request each, at first
        assert took < HANGS - 1, "deliveries waited for the limit of an attempt that hangs"


async def test_a_receiver_that_fails_gets_one_request_at_a_time(stage: Stage, receiver: Listener) -> None:
    receiver.respond = lambda _request: asyncio.sleep(0.02, response(503))
    await stage.webhook(receiver.url)
    await stage.emit(await stage.cluster(), *[JOINED] * 40)
    async with running_notifier(stage.api.deps.db, stage.api.deps.settings):
        await stage.until("w", status="failing")
        await receiver.until(3)
        await asyncio.sleep(1)
    # Three attempts in a row failed; the next one is made after a pause of some seconds, and others wait for it.
    assert len(receiver.received) == 3
    assert receiver.most_at_once == 1
    (row,) = await stage.rows(
        "SELECT held_until - now() AS pause, next_due >= held_until AS waits, lease_token FROM webhooks"
    )
    assert 2 < row.pause.total_seconds() <= 5
    assert row.waits
    assert row.lease_token is None
    (untouched,) = await stage.rows("SELECT count(*) AS number FROM webhook_deliveries WHERE attempts = 0")
    assert untouched.number >= 37


async def test_retry_after_is_respected(stage: Stage, notifier: Notifier, receiver: Listener) -> None:
    receiver.respond = lambda _request: response(429, "retry-after: 120\r\n")
    await stage.webhook(receiver.url)
    await stage.emit(await stage.cluster(), *[JOINED] * 5)
    await stage.until("w", status="failing")
    await asyncio.sleep(0.5)
    assert len(receiver.received) == 1
    (row,) = await stage.rows(
        "SELECT held_until - now() AS pause, (SELECT max(due_at) FROM webhook_deliveries) - now() AS due FROM webhooks"
    )
    assert 100 < row.pause.total_seconds() <= 120
    assert 100 < row.due.total_seconds() <= 120


async def test_a_receiver_that_returns_is_not_flooded(database: Database, stage: Stage, receiver: Listener) -> None:
    """A backlog is sent at a rate that begins at one a second."""
    settings = stage.api.deps.settings
    slow = settings.model_copy(
        update={"webhooks": WebhookSettings.model_validate(loopback(catch_up_rate=50, retry_seconds=[0.1]))}
    )
    await stage.webhook(receiver.url)
    await stage.sql("UPDATE webhooks SET failures = 20, failing_since = now() - interval '1 day', troubled = true")
    await stage.emit(await stage.cluster(), *[JOINED] * 60)
    async with running_notifier(database, slow):
        await receiver.until(1)
        await asyncio.sleep(3)
    assert 2 <= len(receiver.received) <= 6
    assert receiver.most_at_once == 1
    # The rate is kept in the row: another process goes on from there.
    (row,) = await stage.rows("SELECT recovered_at IS NOT NULL AS ramp, failures FROM webhooks")
    assert (row.ramp, row.failures) == (True, 0)
    await stage.sql("UPDATE webhooks SET recovered_at = now() - interval '90 seconds'")
    began = time.monotonic()
    async with running_notifier(database, slow):
        await stage.settled("w", 60)
        took = time.monotonic() - began
    assert took > 0.7, "54 deliveries at 50 a second take a second"
    (row,) = await stage.rows("SELECT recovered_at, lease_token FROM webhooks")
    assert (row.recovered_at, row.lease_token) == (None, None), "it has caught up"


async def test_the_number_of_requests_grows_to_its_limit(database: Database, stage: Stage, receiver: Listener) -> None:
    receiver.respond = lambda _request: asyncio.sleep(0.03, response())
    settings = stage.api.deps.settings.model_copy(
        update={"webhooks": WebhookSettings.model_validate(loopback(concurrency=4))}
    )
    await stage.webhook(receiver.url)
    await stage.emit(await stage.cluster(), *[JOINED] * 60)
    async with running_notifier(database, settings):
        await stage.settled("w", 60)
    assert receiver.most_at_once == 4
    assert receiver.connections <= 5, "connections are used again"


async def test_claims_are_round_robin(database: Database, stage: Stage, receiver: Listener) -> None:
    """A webhook with a long backlog takes one place of a claim, like any other."""
    for number in range(4):
        await stage.webhook(receiver.url, f"w{number}", event_types=["node.*"] if number == 0 else ["cluster.*"])
    cluster = await stage.cluster()
    await stage.emit(cluster, *[JOINED] * 300, CREATED)
    notifier = Notifier(database, stage.api.deps.settings)
    while await notifier.fan_out.read_batch():
        pass
    claims = Claims(database, new_id(), seconds=20)
    claimed = await claims.claim(well=True, limit=4)
    assert {webhook.name for webhook in claimed} == {"w0", "w1", "w2", "w3"}
    pages = await claims.pages([webhook.uuid for webhook in claimed], limit=50)
    assert sorted(len(page) for page in pages.values()) == [1, 1, 1, 50]
    other = Claims(database, new_id(), seconds=20)
    assert await other.claim(well=True, limit=4) == []
    assert await other.pages([webhook.uuid for webhook in claimed]) == {webhook.uuid: [] for webhook in claimed}


async def test_two_processes_send_everything_once(database: Database, stage: Stage, receiver: Listener) -> None:
    for number in range(8):
        await stage.webhook(receiver.url, f"w{number}")
    cluster = await stage.cluster()
    settings = stage.api.deps.settings
    async with running_notifier(database, settings), running_notifier(database, settings):
        events = await stage.emit(cluster, *[JOINED] * 40)
        await receiver.until(320)
        await asyncio.sleep(0.3)
    assert Counter(ids(receiver.received)) == dict.fromkeys(events, 8)


async def test_what_a_dead_process_held_is_sent_again(database: Database, stage: Stage, receiver: Listener) -> None:
    """A process that claims, sends and disappears without a word."""
    await stage.webhook(receiver.url)
    (event,) = await stage.emit(await stage.cluster(), JOINED)
    dead = Notifier(database, stage.api.deps.settings)
    await dead.fan_out.read_batch()
    (claimed,) = await dead.tools.claims.claim(well=True, limit=1)
    async with running_notifier(database, stage.api.deps.settings):
        await asyncio.sleep(0.5)
        assert receiver.received == []
        await stage.sql("UPDATE webhooks SET lease_until = now()")
        await stage.settled()
    assert ids(receiver.received) == [event]
    # Its outcomes are not written any more.
    assert await dead.tools.claims.renew([claimed.uuid]) == {}


async def test_a_lost_lease_stops_a_process(database: Database, stage: Stage, receiver: Listener) -> None:
    receiver.respond = lambda _request: asyncio.sleep(0.3, response())
    settings = stage.api.deps.settings.model_copy(
        update={"webhooks": WebhookSettings.model_validate(loopback(lease_seconds=1.2, concurrency=1))}
    )
    await stage.webhook(receiver.url)
    async with running_notifier(database, settings):
        await stage.emit(await stage.cluster(), *[JOINED] * 20)
        await receiver.until(1)
        other = new_id()
        await stage.sql(
            "UPDATE webhooks SET lease_token = :other, lease_until = now() + interval '1 hour'", other=other
        )
        before = await stage.rows("SELECT id FROM webhook_deliveries WHERE state = 'delivered' ORDER BY id")
        await asyncio.sleep(1.5)
        count = len(receiver.received)
        assert count < 20
        await asyncio.sleep(0.7)
        assert len(receiver.received) == count
    # Nothing that was sent after the lease was lost is recorded.
    assert await stage.rows("SELECT id FROM webhook_deliveries WHERE state = 'delivered' ORDER BY id") == before
    (row,) = await stage.rows("SELECT lease_token FROM webhooks")
    assert row.lease_token == other


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + b"x" * 300_000, None),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x00\x00", None),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", None),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", None),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "larger than 65536 bytes"),
        (b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "change the protocol"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"", "without a response"),
    ],
)
async def test_odd_responses(
    stage: Stage, notifier: Notifier, receiver: Listener, raw: bytes, said: str | None
) -> None:
    receiver.respond = lambda _request: raw
    receiver.closes = True
    await stage.webhook(receiver.url)
    await stage.emit(await stage.cluster(), JOINED)
    (delivery,) = await stage.settled()
    assert delivery["state"] == ("failed" if said else "delivered")
    assert (said or "") in (delivery["last_error"] or "")
    (log, *_) = (await stage.call("GET", f"/w/deliveries/{delivery['uuid']}"))["log"]
    assert len(log["response_body"]) <= 2000


async def test_a_body_that_trickles_is_cut_off(stage: Stage, notifier: Notifier, receiver: Listener) -> None:
    async def trickle(_request: Received) -> Any:
        await asyncio.sleep(30)

    receiver.respond = trickle
    await stage.webhook(receiver.url)
    await stage.emit(await stage.cluster(), JOINED)
    shown = await stage.until("w", status="failing")
    assert shown["status_reason"] == "no complete response within 2 s"


async def test_a_connection_that_was_closed_while_idle(stage: Stage, notifier: Notifier, receiver: Listener) -> None:
    receiver.closes = True
    await stage.webhook(receiver.url)
    cluster = await stage.cluster()
    for number in range(3):
        await stage.emit(cluster, JOINED)
        await stage.settled("w", number + 1)
    assert {(each["state"], each["attempts"]) for each in await stage.deliveries()} == {("delivered", 1)}
