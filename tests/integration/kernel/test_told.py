"""What an operation shows of itself where clients look: reasons while it waits, whole numbers, and who is to blame."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from shared.db.engine import Database
from shared.db.models import Cluster, Event, Node, Nodegroup, Operation
from shared.domain.errors import PermanentError
from shared.domain.states import OperationKind
from shared.operations.leases import Leases
from shared.operations.nodes import add_nodes
from shared.operations.plan import Done, Wait
from shared.operations.runner import Runner
from shared.operations.start import start_operation
from tests.support.plans import Behaviour, ScriptedPlan
from tests.support.rows import make_cluster

LONG = 3600.0
Shown = dict[str, tuple[str | None, str | None]]


class Told:
    """A create of one master and eight workers, whose step does what the test says, a second after the last time."""

    def __init__(self, database: Database, cluster: str) -> None:
        self.database = database
        self.cluster = cluster
        self.clock = datetime.now(UTC)

    async def walk(self, *behaviours: Behaviour, seconds: float = 2) -> None:
        async with self.database.transaction() as session:
            await session.execute(update(Operation).values(next_attempt_at=datetime.now(UTC) - timedelta(seconds=1)))
        self.clock += timedelta(seconds=seconds)
        plan = ScriptedPlan({"await_nodes": list(behaviours)})
        runner = Runner(self.database, [plan], clock=lambda: self.clock)
        for claim in await Leases(self.database, [plan.kind], seconds=60).claim(1):
            await runner.execute(claim)

    async def shown(self) -> Shown:
        """Status and reason of the cluster (`c`) and of each nodegroup."""
        async with self.database.transaction() as session:
            cluster = (await session.scalars(select(Cluster))).one()
            groups = await session.scalars(select(Nodegroup))
            return {row.name: (row.status, row.status_reason) for row in (cluster, *groups)}

    async def operation(self) -> Operation:
        async with self.database.transaction() as session:
            return (await session.scalars(select(Operation))).one()

    async def progress(self) -> list[tuple[int, int, str | None]]:
        async with self.database.transaction() as session:
            events = await session.scalars(
                select(Event).where(Event.type == "cluster.create.progressed.v1").order_by(Event.sequence)
            )
            return [(event.data["done"], event.data["total"], event.data["reason"]) for event in events]

    async def nodes(self, role: str, state: str, *indexes: int) -> None:
        async with self.database.transaction() as session:
            await session.execute(
                update(Node).where(Node.role == role, Node.index.in_(indexes)).values(state=state, reason="why")
            )

    async def deadline_passes(self) -> None:
        async with self.database.transaction() as session:
            await session.execute(update(Operation).values(deadline_at=self.clock))


@pytest.fixture
async def told(database: Database) -> Told:
    async with database.transaction() as session:
        cluster = await make_cluster(session, nodes=1)
        masters = (await session.scalars(select(Nodegroup))).one()
        workers = Nodegroup(
            uuid="workers", cluster_id=cluster.uuid, project_id="p1", name="workers", role="worker", flavor_id="m1",
            image_id="ubuntu", operating_system="ubuntu", hardware="vm", node_count=8, status="CREATE_COMPLETE",
        )  # fmt: skip
        session.add(workers)
        await session.flush()
        await add_nodes(session, cluster, masters, 1, 50)
        await add_nodes(session, cluster, workers, 8, 50)
        await start_operation(
            session, cluster=cluster, kind=OperationKind.CREATE, user_id="u1", request_id=None,
            timeout=timedelta(hours=1),
        )  # fmt: skip
        return Told(database, cluster.uuid)


def waiting(done: int) -> Wait:
    return Wait(f"{done} of 9 nodes have joined", LONG, done, 9)


async def test_a_good_end_shows_all_done_in_the_row_and_the_last_progress(told: Told) -> None:
    await told.walk(waiting(7))
    await told.walk(Done(), seconds=0.1)
    row = await told.operation()
    assert (row.state, row.done, row.total) == ("succeeded", 9, 9)
    assert (await told.progress())[-1] == (9, 9, None)


async def test_what_is_waited_for_is_the_reason_of_the_statuses_until_the_end(told: Told) -> None:
    await told.walk(waiting(2))
    reason = "2 of 9 nodes have joined"
    assert await told.shown() == dict.fromkeys(("c", "default-master", "workers"), ("CREATE_IN_PROGRESS", reason))
    await told.walk(Done())
    assert await told.shown() == dict.fromkeys(("c", "default-master", "workers"), ("CREATE_COMPLETE", None))


async def test_reasons_are_written_as_rarely_as_progress_and_the_last_one_is_not_lost(told: Told) -> None:
    await told.walk(waiting(1))
    for done in (2, 3, 4):
        await told.walk(waiting(done), seconds=0.1)
    assert (await told.shown())["c"] == ("CREATE_IN_PROGRESS", "1 of 9 nodes have joined")
    await told.walk(waiting(4))
    assert (await told.shown())["c"] == ("CREATE_IN_PROGRESS", "4 of 9 nodes have joined")
    assert [done for done, _, _ in await told.progress()] == [1, 4]
    await told.walk(waiting(4))
    assert [done for done, _, _ in await told.progress()] == [1, 4]


async def test_a_deadline_names_missing_nodes_and_blames_their_nodegroup_only(told: Told) -> None:
    await told.nodes("master", "joined", 0)
    await told.nodes("worker", "joined", 7)
    await told.deadline_passes()
    await told.walk(waiting(2))
    unique = told.cluster[-8:]
    names = ", ".join(f"c-{unique}-workers-{index}" for index in range(5))
    reason = f"deadline passed; await_nodes was waiting: 2 of 9 nodes have joined; missing: {names} and 2 more"
    assert (await told.operation()).reason == reason
    assert await told.shown() == {
        "c": ("CREATE_FAILED", reason),
        "default-master": ("CREATE_COMPLETE", None),
        "workers": ("CREATE_FAILED", reason),
    }


async def test_a_nodegroup_that_was_not_finished_names_the_one_that_failed(told: Told) -> None:
    await told.nodes("master", "creating", 0)
    await told.nodes("worker", "failed", 3)
    await told.walk(PermanentError("stack w: No valid host"))
    shown = await told.shown()
    assert shown["default-master"] == (
        "CREATE_FAILED",
        "not finished, because of nodegroup workers: stack w: No valid host",
    )
    assert shown["workers"] == ("CREATE_FAILED", "stack w: No valid host")
