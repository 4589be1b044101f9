"""Agents, a runner and requests at once on one cluster: they wait for each other and never deadlock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from shared.db import engine
from shared.db.away import is_away
from shared.db.engine import Database
from shared.db.models import Cluster, Node, Nodegroup, Operation
from shared.domain.states import NodeState, OperationKind
from shared.operations.leases import Leases
from shared.operations.locks import lock_cluster
from shared.operations.nodes import add_nodes
from shared.operations.plan import Wait
from shared.operations.reports import record_report
from shared.operations.requests import request_delete
from shared.operations.runner import Runner
from shared.operations.start import start_operation
from tests.support.plans import ScriptedPlan
from tests.support.rows import make_cluster

NODES = 60


async def test_a_crowd_on_one_cluster(database: Database) -> None:
    async with database.transaction() as session:
        cluster = await make_cluster(session, nodes=NODES)
        group = (await session.scalars(select(Nodegroup).where(Nodegroup.cluster_id == cluster.uuid))).one()
        nodes = [node.uuid for node in await add_nodes(session, cluster, group, NODES, 50)]
        await start_operation(session, cluster=cluster, kind=OperationKind.CREATE, user_id="u", request_id=None)
        uuid = cluster.uuid
    plan = ScriptedPlan({"only": [Wait("nodes", 0.0)]})
    runner = Runner(database, [plan], poll_seconds=0.01)
    running = asyncio.create_task(runner.run())

    async def report(node_id: str, kind: str) -> None:
        async with database.transaction() as session:
            if kind != "heartbeat":
                await lock_cluster(session, uuid)
            node = await session.get(Node, node_id, with_for_update=True)
            assert node is not None
            await record_report(session, node, kind, project_id="p1", now=datetime.now(UTC))

    async def agent(node_id: str) -> None:
        for kind in ("announced", "heartbeat", "joined"):
            await report(node_id, kind)
        # The crowd stays until the runner has come through it twice, however slow the machine is.
        while len(plan.runs) < 2:
            await report(node_id, "heartbeat")

    # An error of any of them (a deadlock is one) ends the test here.
    async with asyncio.timeout(60):
        await asyncio.gather(*(agent(node) for node in nodes))
    async with database.transaction() as session:
        joined = select(func.count()).select_from(Node).where(Node.state == NodeState.JOINED)
        assert await session.scalar(joined) == NODES
        locked = await lock_cluster(session, uuid)
        assert locked is not None
        await request_delete(session, cluster=locked, user_id="u", request_id=None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await runner.drain(5)
    async with database.transaction() as session:
        numbers = list(await session.scalars(text("SELECT sequence FROM events ORDER BY sequence")))
        assert numbers == list(range(1, len(numbers) + 1))
        states = set(await session.scalars(select(Operation.state).where(Operation.kind == "create")))
    assert states <= {"cancelled", "waiting"}


async def test_two_deletes_at_once_are_one(database: Database) -> None:
    async with database.transaction() as session:
        uuid = (await make_cluster(session)).uuid

    async def delete() -> str:
        async with database.transaction() as session:
            cluster = await lock_cluster(session, uuid)
            assert cluster is not None
            return await request_delete(session, cluster=cluster, user_id="u", request_id=None)

    assert len(set(await asyncio.gather(*(delete() for _ in range(8))))) == 1
    async with database.transaction() as session:
        assert await session.scalar(select(Cluster.status)) == "DELETE_IN_PROGRESS"
        assert await session.scalar(select(func.count()).select_from(Operation)) == 1
        assert await Leases(database, ["delete"], seconds=60).claim(5)


async def test_a_suspended_transaction_loses_its_locks_before_others_give_up(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {name: int(value) for name, value in engine.SERVER_SETTINGS.items()}
    assert limits["idle_in_transaction_session_timeout"] < limits["lock_timeout"]
    shorter = {name: str(value // 10) for name, value in limits.items()}
    monkeypatch.setattr(engine, "SERVER_SETTINGS", shorter)
    async with database.transaction() as session:
        cluster = (await make_cluster(session)).uuid
    hasty = Database(database_url, application_name="test", pool_size=2)
    holds, passed = asyncio.Event(), asyncio.Event()

    async def suspended() -> None:
        async with hasty.transaction() as session:
            await lock_cluster(session, cluster)
            holds.set()
            await passed.wait()
            await session.execute(text("SELECT 1"))

    task = asyncio.create_task(suspended())
    async with asyncio.timeout(10):
        await holds.wait()
        async with hasty.transaction() as other:
            await lock_cluster(other, cluster)
    passed.set()
    with pytest.raises((DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError)) as lost:
        await task
    assert is_away(lost.value)
    await hasty.close()
