"""The runner: an operation walks its plan, waits as a row, survives its process, and ends with the truth."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from shared.db.engine import Database
from shared.db.models import Cluster, Operation
from shared.domain.errors import Conflict, PermanentError, TemporaryError
from shared.domain.states import OperationKind
from shared.operations.leases import Leases
from shared.operations.plan import Done, Wait
from shared.operations.requests import (
    cancel_operation,
    make_due,
    request_delete,
    retry_operation,
)
from shared.operations.runner import Runner
from shared.operations.start import start_operation
from tests.support.plans import Anything, ScriptedPlan, key
from tests.support.rows import make_cluster

LONG = 3600.0


async def started(database: Database, *, timeout: timedelta | None = None) -> tuple[str, str]:
    """A cluster with a queued create. Returns (cluster, operation)."""
    async with database.transaction() as session:
        cluster = await make_cluster(session)
        operation = await start_operation(
            session, cluster=cluster, kind=OperationKind.CREATE, user_id="u1", request_id=None, timeout=timeout
        )
        return cluster.uuid, operation.uuid


async def walk(database: Database, *plans: ScriptedPlan) -> int:
    """Claim what is due and walk each as far as it goes. Returns how many there were."""
    runner = Runner(database, plans)
    claims = await Leases(database, [plan.kind for plan in plans], seconds=60).claim(10)
    for claim in claims:
        await runner.execute(claim)
    return len(claims)


async def due(database: Database) -> None:
    """Let time pass: everything that waits is due."""
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE operations SET next_attempt_at = now() - interval '1 s' WHERE state = 'waiting'")
        )


async def read(database: Database, operation_id: str) -> Operation:
    async with database.transaction() as session:
        return (await session.execute(select(Operation).where(Operation.uuid == operation_id))).scalar_one()


async def status(database: Database, cluster_id: str) -> str | None:
    async with database.transaction() as session:
        return await session.scalar(select(Cluster.status).where(Cluster.uuid == cluster_id))


async def event_types(database: Database, cluster_id: str) -> list[str]:
    async with database.transaction() as session:
        rows = await session.execute(
            text("SELECT type, sequence FROM events WHERE cluster_id = :c ORDER BY sequence"), {"c": cluster_id}
        )
        found = rows.all()
    assert [row.sequence for row in found] == list(range(1, len(found) + 1))
    return [row.type.removesuffix(".v1") for row in found]


async def test_a_plan_is_walked_in_order_and_outputs_reach_later_steps(database: Database) -> None:
    cluster, operation = await started(database)
    plan = ScriptedPlan({"first": [Done(Anything(id=7))], "second": [Done()]})
    assert await status(database, cluster) == "CREATE_IN_PROGRESS"
    assert await walk(database, plan) == 1
    assert plan.runs == ["first", "second"]
    assert plan.views[1].output(key("first")) == Anything(id=7)
    row = await read(database, operation)
    assert (row.state, row.lease_token, row.finished_at is not None) == ("succeeded", None, True)
    assert await status(database, cluster) == "CREATE_COMPLETE"
    events = await event_types(database, cluster)
    assert events[:2] == ["cluster.create.requested", "cluster.create.started"]
    assert events[-1] == "cluster.create.completed"


async def test_waiting_is_a_row_without_a_lease_and_resumes_at_its_step(database: Database) -> None:
    _, operation = await started(database)
    plan = ScriptedPlan({"first": [Done()], "second": [Wait("stack", LONG, 3, 10), Done()]})
    await walk(database, plan)
    row = await read(database, operation)
    assert (row.state, row.step, row.step_reason, row.lease_token) == ("waiting", "second", "stack", None)
    assert (row.done, row.total) == (3, 10)
    assert await walk(database, plan) == 0
    await due(database)
    await walk(database, plan)
    assert plan.runs == ["first", "second", "second"]
    assert (await read(database, operation)).state == "succeeded"


async def test_an_event_about_the_cluster_makes_it_due(database: Database) -> None:
    cluster, operation = await started(database)
    plan = ScriptedPlan({"only": [Wait("nodes", LONG), Done()]})
    await walk(database, plan)
    async with database.transaction() as session:
        await make_due(session, cluster, within=0)
    assert await walk(database, plan) == 1
    assert (await read(database, operation)).state == "succeeded"


async def test_a_temporary_error_never_fails_a_cluster_before_its_deadline(database: Database) -> None:
    _, operation = await started(database, timeout=timedelta(hours=1))
    plan = ScriptedPlan({"only": [*[TemporaryError("503") for _ in range(12)], Done()]})
    for attempt in range(1, 13):
        await walk(database, plan)
        row = await read(database, operation)
        assert (row.state, row.attempts, row.step_reason) == ("waiting", attempt, "503")
        await due(database)
    await walk(database, plan)
    assert (await read(database, operation)).state == "succeeded"


async def test_the_deadline_does(database: Database) -> None:
    cluster, operation = await started(database, timeout=timedelta(seconds=-1))
    await walk(database, ScriptedPlan({"only": [TemporaryError("Heat says 503")]}))
    row = await read(database, operation)
    assert (row.state, row.reason) == ("failed", "deadline passed; last error: Heat says 503")
    assert await status(database, cluster) == "CREATE_FAILED"


async def test_a_wait_past_the_deadline_fails_with_what_it_waited_for(database: Database) -> None:
    _, operation = await started(database, timeout=timedelta(seconds=-1))
    await walk(database, ScriptedPlan({"only": [Wait("3 of 10 nodes have joined", 1)]}))
    row = await read(database, operation)
    assert row.reason == "deadline passed; only was waiting: 3 of 10 nodes have joined"


async def test_a_permanent_error_fails_at_once_with_its_words_and_can_be_retried(database: Database) -> None:
    cluster, operation = await started(database)
    plan = ScriptedPlan({"first": [Done()], "second": [PermanentError("No valid host was found."), Done()]})
    await walk(database, plan)
    row = await read(database, operation)
    assert (row.state, row.step, row.reason) == ("failed", "second", "No valid host was found.")
    assert await status(database, cluster) == "CREATE_FAILED"
    async with database.transaction() as session:
        live = (await session.execute(select(Operation).where(Operation.uuid == operation))).scalar_one()
        owner = (await session.execute(select(Cluster).where(Cluster.uuid == cluster))).scalar_one()
        await retry_operation(session, live, owner, request_id="req-2", timeout=None)
    assert await status(database, cluster) == "CREATE_IN_PROGRESS"
    await walk(database, plan)
    assert plan.runs == ["first", "second", "second"]
    assert plan.views[-1].run_tag.endswith("-1-0")
    assert (await read(database, operation)).state == "succeeded"
    assert "cluster.create.failed" in await event_types(database, cluster)


async def test_an_unforeseen_error_is_tried_a_few_times(database: Database) -> None:
    _, operation = await started(database)
    plan = ScriptedPlan({"only": [KeyError("bug")]})
    for _ in range(5):
        await walk(database, plan)
        await due(database)
    row = await read(database, operation)
    assert (row.state, len(plan.runs)) == ("failed", 5)


async def test_only_one_of_many_runners_gets_an_operation(database: Database) -> None:
    await started(database)
    leases = Leases(database, ["create"], seconds=60)
    claims = await asyncio.gather(*(leases.claim(10) for _ in range(8)))
    assert sum(map(len, claims)) == 1


async def test_a_lost_lease_writes_nothing_more_and_another_runner_resumes(database: Database) -> None:
    _, operation = await started(database)
    leases = Leases(database, ["create"], seconds=60)
    (old,) = await leases.claim(1)
    async with database.transaction() as session:
        await session.execute(text("UPDATE operations SET lease_until = now() - interval '1 s'"))
    plan = ScriptedPlan({"first": [Done()], "second": [Done()]})
    assert await walk(database, plan) == 1
    late = ScriptedPlan({"first": [Done(Anything(whose="the dead"))], "second": [Done()]})
    await Runner(database, [late]).execute(old)
    assert late.runs == []
    assert (await read(database, operation)).state == "succeeded"


async def test_a_runner_that_loses_its_lease_during_a_step_drops_the_result(database: Database) -> None:
    _, operation = await started(database)
    leases = Leases(database, ["create"], seconds=60)
    (claim,) = await leases.claim(1)

    async def steal() -> Done:
        async with database.transaction() as session:
            await session.execute(text("UPDATE operations SET lease_token = 'thief'"))
        return Done(Anything(lost=True))

    plan = ScriptedPlan({"first": [steal], "second": [Done()]})
    await Runner(database, [plan]).execute(claim)
    assert plan.runs == ["first"]
    async with database.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM operation_steps WHERE finished_at IS NOT NULL")) == 0
    row = await read(database, operation)
    assert (row.state, row.lease_token) == ("running", "thief")


async def test_draining_hands_operations_back_at_once(database: Database) -> None:
    _, operation = await started(database)
    reached = asyncio.Event()

    async def hang() -> Done:
        reached.set()
        await asyncio.Event().wait()
        return Done()

    runner = Runner(database, [ScriptedPlan({"only": [hang]})], poll_seconds=0.05)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(10):
        await reached.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await runner.drain(grace=0.05)
    row = await read(database, operation)
    assert (row.state, row.lease_token) == ("waiting", None)


async def test_a_delete_while_waiting_cancels_and_follows_in_one_transaction(database: Database) -> None:
    cluster, operation = await started(database)
    await walk(database, ScriptedPlan({"only": [Wait("stack", LONG)]}))
    async with database.transaction() as session:
        row = (await session.execute(select(Cluster).where(Cluster.uuid == cluster))).scalar_one()
        delete = await request_delete(session, cluster=row, user_id="u1", request_id=None)
    assert (await read(database, operation)).state == "cancelled"
    assert (await read(database, delete)).state == "queued"
    assert await status(database, cluster) == "DELETE_IN_PROGRESS"
    await walk(database, ScriptedPlan({"gone": [Done()]}, kind=OperationKind.DELETE))
    assert await status(database, cluster) is None
    events = await event_types(database, cluster)
    assert events[-1] == "cluster.delete.completed"
    assert events.index("cluster.create.cancelled") < events.index("cluster.delete.requested")


async def test_a_delete_during_a_step_follows_when_the_step_ends(database: Database) -> None:
    cluster, operation = await started(database)
    promised: list[str] = []

    async def delete_meanwhile() -> Wait:
        async with database.transaction() as session:
            row = (await session.execute(select(Cluster).where(Cluster.uuid == cluster))).scalar_one()
            promised.append(await request_delete(session, cluster=row, user_id="u1", request_id=None))
            promised.append(await request_delete(session, cluster=row, user_id="u1", request_id=None))
        assert await status(database, cluster) == "DELETE_IN_PROGRESS"
        return Wait("stack", LONG)

    await walk(database, ScriptedPlan({"only": [delete_meanwhile]}))
    assert (await read(database, operation)).state == "cancelled"
    assert promised[0] == promised[1]
    assert (await read(database, promised[0])).state == "queued"


@pytest.mark.parametrize("last", [Done(), PermanentError("no"), TemporaryError("503")])
async def test_a_delete_follows_however_the_live_operation_ends(database: Database, last: Done | Exception) -> None:
    cluster, _ = await started(database)
    promised: list[str] = []

    async def delete_meanwhile() -> Done:
        async with database.transaction() as session:
            row = (await session.execute(select(Cluster).where(Cluster.uuid == cluster))).scalar_one()
            promised.append(await request_delete(session, cluster=row, user_id="u1", request_id=None))
        if isinstance(last, Exception):
            raise last
        return last

    await walk(database, ScriptedPlan({"only": [delete_meanwhile]}))
    assert (await read(database, promised[0])).state == "queued"
    assert await status(database, cluster) == "DELETE_IN_PROGRESS"


async def test_one_live_operation_per_cluster(database: Database) -> None:
    cluster, _ = await started(database)
    async with database.transaction() as session:
        row = (await session.execute(select(Cluster).where(Cluster.uuid == cluster))).scalar_one()
        with pytest.raises(Conflict, match="already has an operation in progress"):
            await start_operation(session, cluster=row, kind=OperationKind.RESIZE, user_id="u1", request_id=None)


async def test_cancel_without_a_delete_leaves_a_failed_cluster_that_can_be_deleted(database: Database) -> None:
    cluster, operation = await started(database)
    async with database.transaction() as session:
        live = (await session.execute(select(Operation).where(Operation.uuid == operation))).scalar_one()
        row = (await session.execute(select(Cluster).where(Cluster.uuid == cluster))).scalar_one()
        await cancel_operation(session, live, row)
    assert await status(database, cluster) == "CREATE_FAILED"
    async with database.transaction() as session:
        row = (await session.execute(select(Cluster).where(Cluster.uuid == cluster))).scalar_one()
        await request_delete(session, cluster=row, user_id="u1", request_id=None)
    assert await status(database, cluster) == "DELETE_IN_PROGRESS"


async def test_a_long_build_holds_no_lease_and_no_connection(database: Database) -> None:
    """Thirty minutes of waiting, in virtual time: at each look the operation is a row and nothing else."""
    _, operation = await started(database, timeout=timedelta(hours=1))
    plan = ScriptedPlan({"only": [*[Wait(f"minute {minute}", 60) for minute in range(30)], Done()]})
    leases = Leases(database, ["create"], seconds=60)
    for _ in range(30):
        await walk(database, plan)
        row = await read(database, operation)
        assert (row.state, row.lease_token) == ("waiting", None)
        seconds = await leases.seconds_to_next()
        assert seconds is not None
        assert seconds > 50
        await due(database)
    await walk(database, plan)
    assert (await read(database, operation)).state == "succeeded"
