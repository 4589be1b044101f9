"""The contract of the bus, kept by both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
import structlog

from sandbox.rabbitmq import RabbitServer
from shared.bus.contract import Bus, Message, QueueSpec, Unroutable, Verdict
from shared.bus.local import LocalBus
from shared.bus.rabbit import RabbitBus
from shared.db.engine import Database


class Queues:
    """Names of the test's own, so that tests share one broker."""

    def __init__(self) -> None:
        tag = uuid4().hex[:8]
        self.word = f"t{tag}"
        self.first = QueueSpec(f"first.{tag}", (f"{self.word}.created.*", f"{self.word}.all.#"), delivery_limit=3)
        self.second = QueueSpec(f"second.{tag}", (f"{self.word}.created.v1",), delivery_limit=3)
        self.dead = QueueSpec(f"dead.{tag}", (f"{self.word}.#",), dead_letters=True)
        self.all = (self.first, self.second, self.dead)


@pytest.fixture
def queues() -> Queues:
    return Queues()


@pytest.fixture(params=["local", "rabbit"])
async def make_bus(
    request: pytest.FixtureRequest, database: Database, queues: Queues
) -> AsyncIterator[Callable[[], Awaitable[Bus]]]:
    """Starts as many buses (processes, as it were) as a test wants, on the same queues."""
    started: list[Bus] = []
    url = request.getfixturevalue("rabbit").url if request.param == "rabbit" else None
    assert url is None or isinstance(request.getfixturevalue("rabbit"), RabbitServer)

    async def make() -> Bus:
        bus: Bus = (
            RabbitBus(url, queues.all, timeout=10)
            if url
            else LocalBus(database, queues.all, lease_seconds=1, poll_seconds=0.1)
        )
        await bus.start()
        started.append(bus)
        return bus

    yield make
    for bus in started:
        await bus.close()


class Inbox:
    """A handler that records, and answers what it is told to."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.messages: list[Message] = []
        self.verdicts = list(verdicts)
        self.arrived = asyncio.Condition()

    async def __call__(self, message: Message) -> Verdict:
        async with self.arrived:
            self.messages.append(message)
            self.arrived.notify_all()
        return self.verdicts.pop(0) if self.verdicts else Verdict.DONE

    async def wait_for(self, count: int, seconds: float = 15) -> list[Message]:
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(lambda: len(self.messages) >= count)
        return self.messages


def message(queues: Queues, key: str = "created.v1", *, mandatory: bool = True) -> Message:
    return Message(
        id=str(uuid4()),
        routing_key=f"{queues.word}.{key}",
        body=b'{"a": 1}',
        headers={"ce-id": "x", "ce-type": "io.jeroboam.test"},
        mandatory=mandatory,
    )


MakeBus = Callable[[], Awaitable[Bus]]


async def test_a_message_reaches_every_bound_queue_unchanged(make_bus: MakeBus, queues: Queues) -> None:
    bus = await make_bus()
    first, second = Inbox(), Inbox()
    consumers = [await bus.consume(queues.first, first), await bus.consume(queues.second, second)]
    sent = message(queues)
    assert await bus.publish([sent]) == [None]
    for inbox in (first, second):
        (got,) = await inbox.wait_for(1)
        assert (got.id, got.routing_key, got.body) == (sent.id, sent.routing_key, sent.body)
        assert got.headers["ce-type"] == "io.jeroboam.test"
    for consumer in consumers:
        await consumer.stop()


async def test_published_before_any_consumer_it_waits(make_bus: MakeBus, queues: Queues) -> None:
    bus = await make_bus()
    sent = [message(queues, "created.v2") for _ in range(20)]
    assert await bus.publish(sent) == [None] * 20
    await bus.close()
    inbox = Inbox()
    consumer = await (await make_bus()).consume(queues.first, inbox)
    got = await inbox.wait_for(20)
    assert {m.id for m in got} == {m.id for m in sent}
    await consumer.stop()


async def test_a_mandatory_message_nobody_takes_is_reported(make_bus: MakeBus, queues: Queues) -> None:
    bus = await make_bus()
    outcomes = await bus.publish([message(queues, "nobody"), message(queues), message(queues, "x", mandatory=False)])
    assert isinstance(outcomes[0], Unroutable)
    assert outcomes[1:] == [None, None]


async def test_a_failed_delivery_comes_again_and_then_is_a_dead_letter(make_bus: MakeBus, queues: Queues) -> None:
    bus = await make_bus()
    failing, dead = Inbox(*[Verdict.FAILED] * 10), Inbox()
    consumers = [await bus.consume(queues.first, failing), await bus.consume(queues.dead, dead)]
    sent = message(queues, "created.v9")
    await bus.publish([sent])
    (letter,) = await dead.wait_for(1)
    assert letter.id == sent.id
    assert letter.routing_key == sent.routing_key
    assert letter.headers["x-first-death-queue"] == queues.first.name
    assert letter.headers["x-first-death-reason"] == "delivery_limit"
    assert len(failing.messages) == queues.first.delivery_limit + 1
    assert [m.redelivered for m in failing.messages] == [False, True, True, True]
    for consumer in consumers:
        await consumer.stop()


async def test_a_dead_verdict_goes_to_the_dead_letters_at_once(make_bus: MakeBus, queues: Queues) -> None:
    bus = await make_bus()
    refusing, dead = Inbox(Verdict.DEAD), Inbox()
    consumers = [await bus.consume(queues.first, refusing), await bus.consume(queues.dead, dead)]
    await bus.publish([message(queues, "created.v9")])
    (letter,) = await dead.wait_for(1)
    assert letter.headers["x-first-death-reason"] == "rejected"
    assert len(refusing.messages) == 1
    for consumer in consumers:
        await consumer.stop()


async def test_an_error_in_the_handler_is_a_failed_delivery(make_bus: MakeBus, queues: Queues) -> None:
    bus = await make_bus()
    seen: list[Message] = []
    done = asyncio.Event()

    async def stumbles(incoming: Message) -> Verdict:
        seen.append(incoming)
        if len(seen) == 1:
            raise RuntimeError("stumbled")
        done.set()
        return Verdict.DONE

    consumer = await bus.consume(queues.second, stumbles)
    await bus.publish([message(queues)])
    async with asyncio.timeout(15):
        await done.wait()
    assert seen[0].id == seen[1].id
    await consumer.stop()


async def test_later_is_waited_for_and_does_not_count(make_bus: MakeBus, queues: Queues) -> None:
    """The delivery is held: it is not redelivered, however often its handler says so, and others wait in the queue."""
    bus = await make_bus()
    inbox, dead = Inbox(*[Verdict.LATER] * 2), Inbox()
    consumers = [await bus.consume(queues.first, inbox, prefetch=1), await bus.consume(queues.dead, dead)]
    sent = [message(queues, "created.v5"), message(queues, "created.v6")]
    await bus.publish([sent[0]])
    await inbox.wait_for(1)
    await bus.publish([sent[1]])
    got = await inbox.wait_for(4)
    assert [m.id for m in got] == [sent[0].id] * 3 + [sent[1].id]
    assert not any(m.redelivered for m in got)
    assert dead.messages == []
    for consumer in consumers:
        await consumer.stop()


async def test_while_the_database_is_away_the_consumer_pauses(make_bus: MakeBus, queues: Queues) -> None:
    """Few attempts, two lines of log, and a message that fails more often than its limit is still delivered."""
    bus = await make_bus()
    attempts = 0
    back, done = asyncio.Event(), asyncio.Event()

    async def needs_the_database(_incoming: Message) -> Verdict:
        nonlocal attempts
        attempts += 1
        if not back.is_set():
            raise ConnectionRefusedError("connect to 10.0.0.1:5432")
        done.set()
        return Verdict.DONE

    consumer = await bus.consume(queues.first, needs_the_database, prefetch=3)
    with structlog.testing.capture_logs() as lines:
        await bus.publish([message(queues, "created.v7") for _ in range(9)])
        await asyncio.sleep(4)
        assert 3 <= attempts <= 3 * 8, "without pauses it would be hundreds"
        back.set()
        async with asyncio.timeout(15):
            await done.wait()
    assert [line["event"] for line in lines] == ["bus.paused", "bus.resumed"]
    await consumer.stop()


async def test_a_consumer_that_stops_returns_what_it_holds(make_bus: MakeBus, queues: Queues) -> None:
    bus = await make_bus()
    inbox = Inbox(*[Verdict.LATER] * 9)
    consumer = await bus.consume(queues.second, inbox)
    await bus.publish([message(queues)])
    await inbox.wait_for(1)
    async with asyncio.timeout(5):
        await consumer.stop(grace=4)
    other = Inbox()
    after = await (await make_bus()).consume(queues.second, other)
    await other.wait_for(1)
    await after.stop()


async def test_a_consumer_that_stops_takes_nothing_with_it(make_bus: MakeBus, queues: Queues) -> None:
    """What was prefetched and not begun, and what the drain cut off, is delivered to the next consumer."""
    bus = await make_bus()
    begun = asyncio.Event()
    never = asyncio.Event()

    async def hangs(_incoming: Message) -> Verdict:
        begun.set()
        await never.wait()
        return Verdict.DONE

    sent = [message(queues, "created.v3") for _ in range(8)]
    consumer = await bus.consume(queues.first, hangs, prefetch=4)
    await bus.publish(sent)
    async with asyncio.timeout(15):
        await begun.wait()
    await consumer.stop(grace=0.1)
    inbox = Inbox()
    after = await (await make_bus()).consume(queues.first, inbox)
    got = await inbox.wait_for(8)
    assert {m.id for m in got} == {m.id for m in sent}
    await after.stop()


async def test_two_consumers_share_a_queue(make_bus: MakeBus, queues: Queues) -> None:
    one, two = Inbox(), Inbox()
    two.arrived = one.arrived
    bus = await make_bus()
    consumers = [await bus.consume(queues.first, one, prefetch=1)]
    consumers.append(await (await make_bus()).consume(queues.first, two, prefetch=1))
    sent = [message(queues, "created.v4") for _ in range(60)]
    await bus.publish(sent)
    async with asyncio.timeout(20), one.arrived:
        await one.arrived.wait_for(lambda: len(one.messages) + len(two.messages) >= 60)
    ids = [m.id for m in (*one.messages, *two.messages)]
    assert sorted(ids) == sorted(m.id for m in sent)
    assert one.messages
    assert two.messages
    for consumer in consumers:
        await consumer.stop()
