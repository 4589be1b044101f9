"""Events carry the trace of the request that asked for what they are about, whichever process emits them."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import text

from services.api.events.frames import frame_of
from shared.bus.contract import Message, Verdict
from shared.bus.local import LocalBus
from shared.bus.topology import PROVISIONER, QUEUES
from shared.db.engine import Database
from shared.db.models import Operation
from shared.domain.errors import PermanentError
from shared.domain.states import OperationKind
from shared.events.reader import COLUMNS, LoggedEvent
from shared.events.relay import Relay
from shared.operations.locks import lock_cluster
from shared.operations.plan import Done, Wait
from shared.operations.requests import request_delete, retry_operation
from shared.operations.start import start_operation
from shared.runtime.service import in_trace_of_message
from shared.telemetry.trace import current_trace, in_trace, new_trace, parse_trace
from tests.integration.kernel.test_runner import due, read, walk
from tests.support.memory_api import TEMPLATE, memory_api
from tests.support.plans import Anything, ScriptedPlan
from tests.support.rows import make_cluster

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def started(database: Database, trace: str | None) -> tuple[str, str]:
    """A cluster with a queued create that a request in `trace` asked for. Returns (cluster, operation)."""
    with in_trace(trace):
        async with database.transaction() as session:
            cluster = await make_cluster(session)
            operation = await start_operation(
                session, cluster=cluster, kind=OperationKind.CREATE, user_id="u1", request_id=None
            )
            return cluster.uuid, operation.uuid


async def traces(database: Database, operation: str) -> dict[str, str | None]:
    """Verb of each event of an operation -> its trace."""
    async with database.transaction() as session:
        rows = await session.execute(
            text("SELECT split_part(type, '.', 3) AS verb, trace FROM events WHERE operation_id = :o ORDER BY seq"),
            {"o": operation},
        )
        return {row.verb: row.trace for row in rows}


async def test_events_of_steps_that_run_later_carry_the_trace_of_the_request(database: Database) -> None:
    _, operation = await started(database, GIVEN)
    seen: list[str | None] = []

    async def look() -> Done:
        seen.append(current_trace())
        return Done(Anything())

    plan = ScriptedPlan({"first": [Wait("not yet", 60), look]})
    await walk(database, plan)
    await due(database)
    await walk(database, plan)
    assert seen == [GIVEN]
    assert await traces(database, operation) == dict.fromkeys(
        ("requested", "started", "progressed", "completed"), GIVEN
    )


async def test_an_operation_that_no_request_asked_for_begins_a_trace(database: Database) -> None:
    _, operation = await started(database, None)
    await walk(database, ScriptedPlan({"first": [Done(Anything())]}))
    (trace,) = set((await traces(database, operation)).values())
    assert parse_trace(trace) == trace is not None


async def test_an_operation_of_the_version_before_has_no_trace_and_runs(database: Database) -> None:
    _, operation = await started(database, None)
    async with database.transaction() as session:
        await session.execute(text("UPDATE operations SET trace = NULL"))
    await walk(database, ScriptedPlan({"first": [Done(Anything())]}))
    assert (await traces(database, operation))["completed"] is None


async def test_a_follow_up_and_a_retry_have_the_trace_of_their_own_request(database: Database) -> None:
    cluster, operation = await started(database, GIVEN)
    await walk(database, ScriptedPlan({"first": [PermanentError("broken")]}))
    again, deleting = new_trace(), new_trace()
    with in_trace(again):
        async with database.transaction() as session:
            locked = await lock_cluster(session, cluster)
            assert locked is not None
            row = await session.get_one(Operation, operation, with_for_update=True)
            await retry_operation(session, row, locked, request_id=None, timeout=None)

    follow_up = ""

    async def delete_meanwhile() -> Done:
        nonlocal follow_up
        with in_trace(deleting):
            async with database.transaction() as session:
                locked = await lock_cluster(session, cluster)
                assert locked is not None
                follow_up = await request_delete(session, cluster=locked, user_id="u1", request_id=None)
        return Done(Anything())

    await walk(database, ScriptedPlan({"first": [delete_meanwhile], "second": [Done(Anything())]}))
    found = await traces(database, operation)
    assert (found["failed"], found["requested"], found["cancelled"]) == (GIVEN, again, again)
    assert await traces(database, follow_up) == {"requested": deleting}


async def test_the_relay_publishes_each_event_in_its_own_trace_and_consumers_continue_it(database: Database) -> None:
    bus = LocalBus(database, QUEUES, poll_seconds=0.1)
    await bus.start()
    given = [new_trace(), new_trace()]
    operations = [(await started(database, trace))[1] for trace in given]
    seen: dict[str, tuple[str | None, str | None]] = {}
    both = asyncio.Event()

    async def handle(message: Message) -> Verdict:
        seen[message.headers["ce-operationid"]] = (current_trace(), message.headers.get("ce-traceparent"))
        if len(seen) == 2:
            both.set()
        return Verdict.DONE

    with in_trace(new_trace()):  # of the relay's process, to which no event belongs
        consumer = await bus.consume(PROVISIONER, in_trace_of_message(handle))
        await Relay(database, bus).flush()
    async with asyncio.timeout(10):
        await both.wait()
    await consumer.stop()
    await bus.close()
    assert seen == {operation: (trace, trace) for operation, trace in zip(operations, given, strict=True)}


@pytest.mark.parametrize("given", [GIVEN, None, "00-not-a-trace-01"])
async def test_the_api_takes_the_trace_of_its_caller_or_begins_one(
    database: Database, database_url: str, given: str | None
) -> None:
    async with memory_api(database, database_url) as api:
        assert (await api.client.post("/v1/clustertemplates", json=TEMPLATE)).status_code == 201
        body = {"name": "c1", "cluster_template_id": "t1"}
        headers = {} if given is None else {"traceparent": given}
        answer = await api.client.post("/v1/clusters", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        (event,) = (await api.client.get("/v1/events?type=cluster.create.requested")).json()["events"]
        trace = event["traceparent"]
        assert parse_trace(trace) == trace
        assert (trace == given) is (given == GIVEN)
        operation = await api.operation(answer.json()["uuid"])
        assert (await read(database, operation["uuid"])).trace == trace


async def test_streams_carry_the_trace(database: Database) -> None:
    await started(database, GIVEN)
    async with database.transaction() as session:
        found = await session.execute(text(f"SELECT {COLUMNS}, 7 AS position FROM events"))
        event = LoggedEvent(dict(found.mappings().one()))
    frame = frame_of(event).text.decode()
    assert json.loads(frame.split("data: ", 1)[1])["traceparent"] == GIVEN
