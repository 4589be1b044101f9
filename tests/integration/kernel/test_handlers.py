"""Messages: doubled, shuffled, late or rubbish, they change nothing but the moment; none is held while work goes on."""

from __future__ import annotations

import asyncio
import random

import pytest
from sqlalchemy import text

from services.monitor.handlers import DeadLetters
from shared.bus.contract import Message, Verdict
from shared.bus.local import LocalBus
from shared.bus.topology import DEAD, PROVISIONER, QUEUES
from shared.db.engine import Database
from shared.domain.errors import NotFound
from shared.domain.states import NodeState, OperationKind
from shared.events.catalog import NodeChanged, StackChanged
from shared.events.dead_letters import list_dead_letters, replay
from shared.events.envelope import to_message
from shared.events.log import emit
from shared.events.relay import Relay
from shared.operations.leases import Leases
from shared.operations.plan import Done, Wait
from shared.operations.runner import Runner
from shared.operations.start import start_operation
from shared.runtime.handlers import Handlers
from tests.support.plans import ScriptedPlan
from tests.support.rows import make_cluster, make_creating

TABLES = ("clusters", "nodegroups", "operations", "operation_steps", "events")


async def rows(database: Database) -> dict[str, list[str]]:
    """Everything that a message might change, but the moment an operation is due."""
    found = {}
    async with database.transaction() as session:
        for table in TABLES:
            query = f"SELECT (to_jsonb(t) - 'next_attempt_at' - 'published_at')::text FROM {table} t ORDER BY 1"
            found[table] = list(await session.scalars(text(query)))
    return found


async def lived(database: Database, events: int = 12) -> str:
    """A cluster whose create waits, with some history in the log."""
    async with database.transaction() as session:
        cluster = await make_cluster(session)
        await start_operation(session, cluster=cluster, kind=OperationKind.CREATE, user_id="u", request_id=None)
        uuid = cluster.uuid
    plan = ScriptedPlan({"only": [Wait("stack", 3600)]})
    (claim,) = await Leases(database, ["create"], seconds=60).claim(1)
    await Runner(database, [plan]).execute(claim)
    async with database.transaction() as session:
        for index in range(events):
            data = NodeChanged(node_id=str(index), name="n", nodegroup="g", role="worker", state=NodeState.JOINED)
            await emit(session, "node.joined.v1", data, project_id="p1", cluster=uuid)
    return uuid


async def messages(database: Database) -> list[Message]:
    async with database.transaction() as session:
        found = await session.execute(text("SELECT * FROM events ORDER BY seq"))
        return [to_message({**row}) for row in found.mappings()]


@pytest.mark.parametrize("seed", range(5))
async def test_doubled_and_shuffled_deliveries_change_nothing(database: Database, seed: int) -> None:
    await lived(database)
    woken: list[int] = []
    handlers = Handlers(database, lambda: woken.append(1))
    deliveries = await messages(database) * 3
    random.Random(seed).shuffle(deliveries)
    before = await rows(database)
    assert [await handlers(message) for message in deliveries] == [Verdict.DONE] * len(deliveries)
    assert await rows(database) == before
    assert len(woken) == len(deliveries)


@pytest.mark.parametrize(
    "message",
    [
        Message(
            id="m", routing_key="node.joined.v1", body=b"\x00\xff", headers={"ce-type": "io.jeroboam.node.joined.v1"}
        ),
        Message(id="m", routing_key="x", body=b"{}", headers={"ce-type": "io.jeroboam.no.such.v1"}),
        Message(id="m", routing_key="x", body=b"", headers={}),
    ],
)
async def test_rubbish_is_a_dead_letter(database: Database, message: Message) -> None:
    assert await Handlers(database, lambda: None)(message) is Verdict.DEAD


async def test_heats_word_about_the_cluster_makes_its_operation_due(database: Database) -> None:
    uuid = await lived(database, events=1)
    async with database.transaction() as session:
        data = StackChanged(stack_id="s", stack_name="n", status="CREATE_COMPLETE")
        await emit(session, "stack.changed.v1", data, project_id="p1", cluster=uuid)
    leases = Leases(database, ["create"], seconds=60)
    before = await leases.seconds_to_next()
    handlers = Handlers(database, lambda: None)
    await handlers((await messages(database))[-1])
    after = await leases.seconds_to_next()
    assert before is not None
    assert after is not None
    assert before > 3000
    assert after < 1


async def test_thirty_minutes_of_heat_hold_no_message(database: Database) -> None:
    """Virtual time: the request's message is settled at once, whatever the build takes."""
    bus = LocalBus(database, QUEUES, poll_seconds=0.05)
    await bus.start()
    async with database.transaction() as session:
        await make_creating(session)
    assert await Relay(database, bus).flush() > 0
    taken = asyncio.Event()
    consumer = await bus.consume(PROVISIONER, Handlers(database, taken.set))
    async with asyncio.timeout(10):
        await taken.wait()
    await consumer.stop()
    plan = ScriptedPlan({"only": [*[Wait("Heat", 60) for _ in range(30)], Done()]})
    runner = Runner(database, [plan])
    for _minute in range(30):
        (claim,) = await Leases(database, ["create"], seconds=60).claim(1)
        await runner.execute(claim)
        async with database.transaction() as session:
            assert (
                await session.scalar(text("SELECT count(*) FROM bus_messages WHERE queue <> :q"), {"q": DEAD.name}) == 0
            )
            assert await session.scalar(text("SELECT state FROM operations")) == "waiting"
            await session.execute(text("UPDATE operations SET next_attempt_at = next_attempt_at - interval '60 s'"))
    await bus.close()


async def test_dead_letters_are_kept_once(database: Database) -> None:
    keep = DeadLetters(database)
    letter = Message(
        id="m1",
        routing_key="node.joined.v1",
        body=b"\xff",
        headers={"x-first-death-queue": "jeroboam.provisioner.v1", "x-first-death-reason": "rejected"},
    )
    assert [await keep(letter), await keep(letter)] == [Verdict.DONE] * 2
    async with database.transaction() as session:
        (row,) = (await session.execute(text("SELECT queue, reason, body FROM dead_letters"))).all()
    assert tuple(row) == ("jeroboam.provisioner.v1", "rejected", b"\xff")


async def test_a_dead_letter_is_replayed_by_the_relay_under_its_own_id(database: Database) -> None:
    data = NodeChanged(node_id="1", name="n", nodegroup="g", role="worker", state=NodeState.JOINED)
    async with database.transaction() as session:
        event = await emit(session, "node.joined.v1", data, project_id="p1")
    bus = LocalBus(database, QUEUES, poll_seconds=0.05)
    await bus.start()
    relay = Relay(database, bus)
    assert await relay.flush() == 1
    keep = DeadLetters(database)
    for message_id in (event, "not-ours"):
        await keep(Message(id=message_id, routing_key="node.joined.v1", body=b"{}", headers={}))
    async with database.transaction() as session:
        stranger, letter = await list_dead_letters(session)
        assert await replay(session, letter.id) == event
        with pytest.raises(NotFound, match="not in the event log"):
            await replay(session, stranger.id)
        with pytest.raises(NotFound, match="no dead letter 0"):
            await replay(session, 0)
    assert await relay.flush() == 1
    async with database.transaction() as session:
        sent = await session.scalars(
            text("SELECT message_id FROM bus_messages WHERE queue = :q"), {"q": PROVISIONER.name}
        )
        assert list(sent) == [event, event]
    await bus.close()
