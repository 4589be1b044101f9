"""The event log and its relay: nothing is lost, numbers have no gaps, nothing goes out before it is true."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from shared.bus.contract import Consumer, Handler, Message, QueueSpec, Unroutable, Verdict
from shared.bus.local import LocalBus
from shared.bus.topology import PROVISIONER, QUEUES
from shared.db.engine import Database
from shared.domain.errors import JeroboamError, TemporaryError
from shared.domain.kinds import operation_event
from shared.domain.states import NodeState, OperationKind
from shared.events.catalog import NodeChanged, OperationStarted, StackChanged
from shared.events.envelope import MalformedEvent, from_message
from shared.events.log import emit
from shared.events.reader import Cursor
from shared.events.relay import Relay
from shared.telemetry.metrics import RELAY_FAILURES
from tests.support.rows import make_cluster


class RecordingBus:
    """A bus that remembers what was published, and can be away."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.away = False
        self.published = asyncio.Event()
        self.unroutable: set[str] = set()

    async def start(self) -> None: ...

    async def publish(self, messages: Sequence[Message]) -> list[JeroboamError | None]:
        if self.away:
            raise TemporaryError("away")
        self.messages += messages
        self.published.set()
        return [Unroutable(m.routing_key) if m.routing_key in self.unroutable else None for m in messages]

    async def consume(self, queue: QueueSpec, handler: Handler, *, prefetch: int = 10) -> Consumer:
        raise AssertionError("nobody consumes here")

    async def check(self) -> None: ...

    async def close(self) -> None: ...


def joined(name: str) -> NodeChanged:
    return NodeChanged(node_id="n", name=name, nodegroup="g", role="worker", state=NodeState.JOINED)


async def test_numbers_have_no_gaps_however_many_write_and_some_roll_back(database: Database) -> None:
    async with database.transaction() as session:
        cluster = (await make_cluster(session)).uuid

    async def write(index: int) -> None:
        try:
            async with database.transaction() as session:
                await emit(session, "node.joined.v1", joined(f"n{index}"), project_id="p1", cluster=cluster)
                if index % 3 == 0:
                    raise RuntimeError("rolled back")
        except RuntimeError:
            pass

    for start in range(0, 30, 5):
        await asyncio.gather(*(write(index) for index in range(start, start + 5)))
    async with database.transaction() as session:
        numbers = list(
            await session.scalars(
                text("SELECT sequence FROM events WHERE cluster_id = :c ORDER BY 1").bindparams(c=cluster)
            )
        )
    assert numbers == list(range(1, 21))


async def test_an_event_with_other_data_than_its_type_is_refused(database: Database) -> None:
    async with database.transaction() as session:
        with pytest.raises(TypeError, match="carries NodeChanged"):
            await emit(
                session, "node.joined.v1", StackChanged(stack_id="s", stack_name="n", status="x"), project_id="p1"
            )


async def test_the_relay_publishes_each_committed_event_once(database: Database) -> None:
    bus = RecordingBus()
    relay = Relay(database, bus, batch=7)
    async with database.transaction() as session:
        ids = [await emit(session, "node.joined.v1", joined(str(i)), project_id="p1") for i in range(20)]
    assert await relay.flush() == 20
    assert await relay.flush() == 0
    assert [message.id for message in bus.messages] == ids
    event = from_message(bus.messages[0])
    assert event.data == joined("0")
    assert (event.name, event.project_id) == ("node.joined.v1", "p1")


async def test_two_relays_share_the_log(database: Database) -> None:
    bus = RecordingBus()
    async with database.transaction() as session:
        ids = {await emit(session, "node.joined.v1", joined(str(i)), project_id="p1") for i in range(50)}
    await asyncio.gather(*(Relay(database, bus, batch=5).flush() for _ in range(3)))
    assert len(bus.messages) == 50
    assert {message.id for message in bus.messages} == ids


async def test_a_bus_that_is_away_delays_and_loses_nothing(database: Database) -> None:
    bus = RecordingBus()
    bus.away = True
    relay = Relay(database, bus, poll_seconds=0.05)
    async with database.transaction() as session:
        event = await emit(session, "node.joined.v1", joined("a"), project_id="p1")
    with pytest.raises(TemporaryError):
        await relay.flush()
    bus.away = False
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(10):
        await bus.published.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [message.id for message in bus.messages] == [event]


async def test_what_a_dead_relay_had_claimed_goes_out_when_its_lease_has_run_out(database: Database) -> None:
    bus = RecordingBus()
    claimed = "UPDATE events SET lease_token = 'dead', lease_until = now() + make_interval(secs => :s)"
    async with database.transaction() as session:
        await emit(session, "node.joined.v1", joined("a"), project_id="p1")
        await session.flush()
        await session.execute(text(claimed), {"s": 60})
    assert await Relay(database, bus).flush() == 0
    async with database.transaction() as session:
        await session.execute(text(claimed), {"s": -1})
    assert await Relay(database, bus).flush() == 1


async def test_a_request_nobody_takes_stays_unpublished(database: Database) -> None:
    bus = RecordingBus()
    name = operation_event(OperationKind.CREATE, "started")
    bus.unroutable = {name}
    async with database.transaction() as session:
        await emit(session, name, OperationStarted(kind=OperationKind.CREATE), project_id="p1")
    unroutable = RELAY_FAILURES.labels("unroutable")
    before = unroutable._value.get()
    assert await Relay(database, bus).flush() == 0
    assert unroutable._value.get() == before + 1
    async with database.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM events WHERE published_at IS NULL")) == 1


@pytest.mark.parametrize("text_form", ["", "1", "-", "1-", "-1", "a-1", "1-2-3x", "1--2", "٣-١", f"{2**64}-1"])
def test_what_is_no_cursor_is_refused(text_form: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        Cursor.parse(text_form)


@pytest.mark.parametrize(
    "message",
    [
        Message(id="1", routing_key="x", body=b"{}", headers={}),
        Message(id="1", routing_key="x", body=b"\xff", headers={"ce-type": "io.jeroboam.node.joined.v1"}),
        Message(id="1", routing_key="x", body=b"{}", headers={"ce-type": "io.jeroboam.node.joined.v9"}),
    ],
)
def test_bytes_that_are_no_event_are_malformed(message: Message) -> None:
    with pytest.raises(MalformedEvent):
        from_message(message)


async def test_local_bus_end_to_end_carries_the_event(database: Database) -> None:
    bus = LocalBus(database, QUEUES, poll_seconds=0.1)
    await bus.start()
    got: asyncio.Queue[Message] = asyncio.Queue()

    async def take(message: Message) -> Verdict:
        await got.put(message)
        return Verdict.DONE

    consumer = await bus.consume(PROVISIONER, take)
    async with database.transaction() as session:
        event = await emit(session, "node.joined.v1", joined("a"), project_id="p1")
    assert await Relay(database, bus).flush() == 1
    async with asyncio.timeout(10):
        assert (await got.get()).id == event
    await consumer.stop()
    await bus.close()
