"""An operation whose deadline passed while nobody worked on it ends; one that is worked on is left alone."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from services.monitor.overdue import end_overdue
from shared.db.engine import Database
from shared.db.models import Cluster, Operation
from shared.operations.requests import request_delete
from tests.support.rows import make_creating

LONG_AGO = "now() - interval '10 minutes'"
SOON = "now() + interval '5 seconds'"


async def queued(database: Database) -> str:
    async with database.transaction() as session:
        _, operation = await make_creating(session)
        return operation.uuid


async def change(database: Database, assignments: str) -> None:
    async with database.transaction() as session:
        await session.execute(text(f"UPDATE operations SET {assignments}"))


async def state(database: Database) -> tuple[str, str, str | None]:
    async with database.transaction() as session:
        operation = (await session.execute(select(Operation))).scalar_one()
        cluster = (await session.execute(select(Cluster))).scalar_one()
        return operation.state, cluster.status, operation.reason


@pytest.mark.parametrize(
    "abandoned",
    [
        f"next_attempt_at = {LONG_AGO}",
        f"state = 'waiting', step_reason = '1 of 3 stacks', next_attempt_at = {LONG_AGO}",
        f"state = 'running', lease_token = 'gone', lease_until = {LONG_AGO}",
    ],
)
async def test_what_nobody_works_on_ends(database: Database, abandoned: str) -> None:
    await queued(database)
    await change(database, f"deadline_at = {LONG_AGO}, {abandoned}")
    assert await end_overdue(database) == 1
    ended, status, reason = await state(database)
    assert (ended, status) == ("failed", "CREATE_FAILED")
    assert reason is not None
    assert reason.startswith("deadline passed, and no service was available to run the create")
    assert ("1 of 3 stacks" in reason) == ("1 of 3 stacks" in abandoned)
    assert await end_overdue(database) == 0
    async with database.transaction() as session:
        last = await session.scalar(text("SELECT type FROM events ORDER BY sequence DESC LIMIT 1"))
    assert last == "cluster.create.failed.v1"


@pytest.mark.parametrize(
    "alive",
    [
        f"deadline_at = NULL, next_attempt_at = {LONG_AGO}",
        f"deadline_at = {SOON}, next_attempt_at = {LONG_AGO}",
        f"deadline_at = {LONG_AGO}, state = 'waiting', next_attempt_at = {SOON}",
        f"deadline_at = {LONG_AGO}, state = 'running', lease_token = 't', lease_until = {SOON}",
    ],
)
async def test_what_is_worked_on_or_may_take_its_time_is_left_alone(database: Database, alive: str) -> None:
    await queued(database)
    await change(database, alive)
    before = await state(database)
    assert await end_overdue(database) == 0
    assert await state(database) == before


async def test_a_delete_that_waited_behind_it_begins(database: Database) -> None:
    await queued(database)
    await change(database, "state = 'running', lease_token = 't', lease_until = now() + interval '1 minute'")
    async with database.transaction() as session:
        cluster = (await session.execute(select(Cluster))).scalar_one()
        await request_delete(session, cluster=cluster, user_id="u1", request_id=None)
    await change(database, f"deadline_at = {LONG_AGO}, lease_until = {LONG_AGO}")
    assert await end_overdue(database) == 1
    async with database.transaction() as session:
        live = await session.scalar(select(Operation.kind).where(Operation.state == "queued"))
        assert (live, await session.scalar(select(Cluster.status))) == ("delete", "DELETE_IN_PROGRESS")
