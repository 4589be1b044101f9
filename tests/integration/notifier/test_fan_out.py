"""From the event log to deliveries: nothing is skipped, nothing is made twice, and a cluster's order is kept."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import pytest
from sqlalchemy import text

from services.notifier.fan_out import FanOut
from services.notifier.service import Notifier
from shared.db.engine import Database
from shared.events.catalog import NodeChanged
from shared.events.log import emit
from shared.events.numbering import number_events
from shared.settings import WebhookSettings
from tests.support.hooks import Listener, loopback, response, running_notifier
from tests.support.webhook_stage import Stage, ids

JOINED = "node.joined.v1"


async def numbers(stage: Stage) -> dict[str, list[int]]:
    """Cluster -> numbers of its events, in the order of the deliveries."""
    found: dict[str, list[int]] = defaultdict(list)
    for row in await stage.rows(
        "SELECT d.cluster_id, e.sequence FROM webhook_deliveries d JOIN events e ON e.id = d.event_id ORDER BY d.id"
    ):
        found[row.cluster_id].append(row.sequence)
    return found


async def test_a_transaction_that_began_first_ends_last(database: Database, stage: Stage) -> None:
    """It delays no other, and its events come after those that were read meanwhile."""
    await stage.webhook("http://127.0.0.1:2000/")
    cluster, other = await stage.cluster(), await stage.cluster()
    data = NodeChanged(node_id="n", name="n", nodegroup="g", role="worker", state="joined")
    fan_out = FanOut(database, poll_seconds=1, batch=1)
    async with database.transaction() as first:
        await emit(first, JOINED, data, project_id="p1", cluster=other)
        await first.flush()  # it has the lower `seq`
        async with database.transaction() as second:
            await emit(second, JOINED, data, project_id="p1", cluster=cluster)
        assert await fan_out.read_batch() == 1
        await emit(first, JOINED, data, project_id="p1", cluster=cluster)
    while await fan_out.read_batch():
        pass
    assert await numbers(stage) == {other: [1], cluster: [1, 2]}
    positions = await stage.rows("SELECT position FROM events ORDER BY seq")
    assert [row.position for row in positions] == [2, 1, 3]


async def test_concurrent_writers_and_readers(database: Database, stage: Stage) -> None:
    await stage.webhook("http://127.0.0.1:2000/")
    clusters = [await stage.cluster() for _ in range(3)]
    done = asyncio.Event()

    async def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(25):
            async with database.transaction() as session:
                data = NodeChanged(node_id="n", name="n", nodegroup="g", role="worker", state="joined")
                await session.execute(text("SELECT pg_current_xact_id()"))  # its `tx` is decided
                await asyncio.sleep(chance.random() / 200)
                await emit(session, JOINED, data, project_id="p1", cluster=chance.choice(clusters))
                await asyncio.sleep(chance.random() / 200)

    async def read(batch: int) -> None:
        fan_out = FanOut(database, poll_seconds=1, batch=batch)
        while not done.is_set():
            await fan_out.read_batch()
            await asyncio.sleep(0.002)

    readers = [asyncio.create_task(read(batch)) for batch in (1, 3)]
    await asyncio.gather(*(write(seed) for seed in range(2)))
    done.set()
    await asyncio.gather(*readers)
    while await FanOut(database, poll_seconds=1).read_batch():
        pass
    found = await numbers(stage)
    assert sum(len(each) for each in found.values()) == 50
    assert all(each == list(range(1, len(each) + 1)) for each in found.values())


async def test_reading_again_changes_nothing(database: Database, stage: Stage) -> None:
    await stage.webhook("http://127.0.0.1:2000/")
    await stage.emit(await stage.cluster(), *[JOINED] * 5)
    fan_out = FanOut(database, poll_seconds=1)
    assert await fan_out.read_batch() == 5
    before = await stage.rows("SELECT id, event_id FROM webhook_deliveries ORDER BY id")
    await stage.sql("UPDATE webhook_cursor SET position = 0")
    assert await fan_out.read_batch() == 5
    assert await stage.rows("SELECT id, event_id FROM webhook_deliveries ORDER BY id") == before


@pytest.mark.parametrize("tx", ["tx::text::bigint", "1::bigint << 40"])
async def test_the_position_of_the_version_before(database: Database, stage: Stage, tx: str) -> None:
    """It is translated, also if another server issued it: nothing is skipped, and nothing before it is read again."""
    await stage.webhook("http://127.0.0.1:2000/")
    cluster = await stage.cluster()
    await stage.emit(cluster, *[JOINED] * 3)
    last = f"SELECT {tx}, seq FROM events ORDER BY seq DESC LIMIT 1"
    await stage.sql(f"UPDATE webhook_cursor SET (position_tx, position_seq) = ({last})")
    events = await stage.emit(cluster, *[JOINED] * 2)
    assert await FanOut(database, poll_seconds=1).read_batch() == 2
    assert {each["event_id"] for each in await stage.deliveries()} == set(events)


async def test_events_from_before_a_webhook_are_not_sent(database: Database, stage: Stage) -> None:
    cluster = await stage.cluster()
    await stage.emit(cluster, JOINED)
    await stage.webhook("http://127.0.0.1:2000/")
    (event,) = await stage.emit(cluster, JOINED)
    while await FanOut(database, poll_seconds=1).read_batch():
        pass
    assert [each["event_id"] for each in await stage.deliveries()] == [event]


async def test_a_delivery_that_is_made_while_its_webhook_is_released(database: Database, stage: Stage) -> None:
    """The process that releases it does not see the delivery yet, and the one that makes it sees that it is due."""
    await stage.webhook("http://127.0.0.1:2000/")
    cluster = await stage.cluster()
    await stage.emit(cluster, JOINED)
    notifier = Notifier(database, stage.api.deps.settings)
    await notifier.fan_out.read_batch()
    (claimed,) = await notifier.tools.claims.claim(well=True, limit=1)
    await stage.sql("UPDATE webhook_deliveries SET state = 'delivered', finished_at = now()")
    await stage.emit(cluster, JOINED)
    await number_events(database)
    writing = asyncio.create_task(notifier.tools.outcomes.run())
    async with database.transaction() as session:
        assert await notifier.fan_out._read(session) == 1
        released = asyncio.create_task(notifier.tools.outcomes.release(claimed.uuid))
        await asyncio.sleep(0.3)
    await released
    writing.cancel()
    (row,) = await stage.rows("SELECT next_due, lease_token FROM webhooks")
    assert row.lease_token is None
    assert row.next_due is not None
    notifier.egress.close()


async def test_an_ordered_webhook_waits_for_the_failed_one(
    stage: Stage, receiver: Listener, database: Database
) -> None:
    """Other clusters do not wait, and neither does a webhook without order."""
    webhooks = WebhookSettings.model_validate(loopback(retry_seconds=[1.0] * 5))
    settings = stage.api.deps.settings.model_copy(update={"webhooks": webhooks})
    first, second = await stage.cluster(), await stage.cluster()
    await stage.webhook(receiver.url, ordered=True)
    failed: list[str] = []

    def answer_once(request: object) -> bytes:
        body = receiver.received[-1].json
        if body["clusterid"] == first and body["sequence"] == "2" and len(failed) < 2:
            failed.append(body["id"])
            return response(500)
        return response()

    receiver.respond = answer_once
    async with running_notifier(database, settings):
        events = {cluster: await stage.emit(cluster, *[JOINED] * 6) for cluster in (first, second)}
        await stage.settled("w", 12)
    got = {cluster: [r for r in receiver.received if r.json["clusterid"] == cluster] for cluster in (first, second)}
    assert ids(got[second]) == events[second]
    one, two, *rest = events[first]
    assert ids(got[first]) == [one, two, two, two, *rest]
    assert failed == [two, two]
    last_of_second = receiver.received.index(got[second][-1])
    assert last_of_second < receiver.received.index(got[first][3]), "the other cluster did not wait"


async def test_order_under_load(stage: Stage, receiver: Listener, database: Database) -> None:
    """Concurrent requests, pages smaller than the backlog, failures at random: the order of each cluster holds."""
    chance = random.Random(7)
    await stage.webhook(receiver.url, ordered=True)
    clusters = [await stage.cluster() for _ in range(4)]
    for _ in range(60):
        for cluster in clusters:
            await stage.emit(cluster, JOINED)
    receiver.respond = lambda _request: response(500 if chance.random() < 0.1 else 204)
    webhooks = WebhookSettings.model_validate(loopback(retry_seconds=[0.01] * 40))
    settings = stage.api.deps.settings.model_copy(update={"webhooks": webhooks})
    async with running_notifier(database, settings):
        await stage.settled("w", 240, seconds=60)
    for cluster in clusters:
        sequence = [int(r.json["sequence"]) for r in receiver.received if r.json["clusterid"] == cluster]
        assert list(dict.fromkeys(sequence)) == list(range(1, 61))
        assert sequence == sorted(sequence), "nothing was sent before what came before it was delivered"
