"""Resizes meet whatever the cluster is doing: they begin, join the live one, or wait; and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from shared.db.engine import Database
from shared.db.models import Cluster, Nodegroup, Operation
from shared.domain.errors import Conflict, PermanentError
from shared.domain.states import OperationKind
from shared.operations.leases import Leases
from shared.operations.locks import lock_cluster
from shared.operations.nodes import add_nodes
from shared.operations.plan import Done, Wait
from shared.operations.requests import cancel_operation, request_delete, retry_operation
from shared.operations.resize import request_resize
from shared.operations.runner import Runner
from shared.operations.start import start_operation
from tests.support.plans import Anything, Behaviour, ScriptedPlan, key
from tests.support.rows import make_cluster

RESIZE = OperationKind.RESIZE


async def made(database: Database, *, groups: Sequence[str] = ()) -> str:
    """A finished cluster: `default-master`, and more nodegroups of the names given."""
    async with database.transaction() as session:
        cluster = await make_cluster(session, nodes=1)
        for name in groups:
            session.add(
                Nodegroup(
                    uuid=name,
                    cluster_id=cluster.uuid,
                    project_id="p1",
                    name=name,
                    role="worker",
                    flavor_id="m1",
                    image_id="ubuntu",
                    operating_system="ubuntu",
                    hardware="vm",
                    node_count=1,
                    status="CREATE_COMPLETE",
                )
            )
        return cluster.uuid


async def resize(database: Database, cluster: str, group: str, count: int, **more: Any) -> str:
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        assert row is not None
        nodegroup = (
            await session.scalars(select(Nodegroup).where(Nodegroup.cluster_id == cluster, Nodegroup.name == group))
        ).one()
        return await request_resize(
            session, cluster=row, nodegroup=nodegroup, node_count=count, user_id="u1", request_id=None, **more
        )


async def walk(database: Database, *plans: ScriptedPlan) -> int:
    runner = Runner(database, plans)
    claims = await Leases(database, [plan.kind for plan in plans], seconds=60).claim(10)
    for claim in claims:
        await runner.execute(claim)
    return len(claims)


async def groups_of(database: Database, cluster: str) -> dict[str, tuple[int, str]]:
    async with database.transaction() as session:
        rows = await session.scalars(select(Nodegroup).where(Nodegroup.cluster_id == cluster))
        return {row.name: (row.node_count, row.status) for row in rows}


async def status(database: Database, cluster: str) -> str | None:
    async with database.transaction() as session:
        return await session.scalar(select(Cluster.status).where(Cluster.uuid == cluster))


async def read(database: Database, operation: str) -> Operation:
    async with database.transaction() as session:
        return (await session.execute(select(Operation).where(Operation.uuid == operation))).scalar_one()


async def events(database: Database) -> list[str]:
    async with database.transaction() as session:
        found = (await session.execute(text("SELECT type, sequence FROM events ORDER BY sequence"))).all()
    assert [row.sequence for row in found] == list(range(1, len(found) + 1))
    return [row.type.removesuffix(".v1") for row in found if ".progressed" not in row.type]


async def test_it_concerns_its_nodegroup_and_no_other(database: Database) -> None:
    cluster = await made(database, groups=["a", "b"])
    operation = await resize(database, cluster, "a", 5, remove=["node-1"])
    assert await groups_of(database, cluster) == {
        "default-master": (1, "CREATE_COMPLETE"),
        "a": (5, "UPDATE_IN_PROGRESS"),
        "b": (1, "CREATE_COMPLETE"),
    }
    assert await status(database, cluster) == "UPDATE_IN_PROGRESS"
    plan = ScriptedPlan({"only": [Done()]}, kind=RESIZE)
    await walk(database, plan)
    assert plan.views[0].nodegroup_ids == ("a",)
    assert plan.views[0].params == {"node_count": 5, "nodegroup": "a", "nodes_to_remove": ["node-1"]}
    assert (await groups_of(database, cluster))["a"] == (5, "UPDATE_COMPLETE")
    assert (await groups_of(database, cluster))["b"] == (1, "CREATE_COMPLETE")
    assert (await read(database, operation)).state == "succeeded"


async def test_a_second_one_joins_the_first_while_it_waits(database: Database) -> None:
    cluster = await made(database, groups=["a", "b"])
    first = await resize(database, cluster, "a", 5, remove=["x"], timeout=timedelta(minutes=1))
    script: dict[str, list[Behaviour]] = {
        "choose": [Done(Anything(chosen=1)), Done(Anything(chosen=2))],
        "wait": [Wait("nodes", 3600), Done()],
    }
    plan = ScriptedPlan(script, kind=RESIZE)
    await walk(database, plan)
    assert await walk(database, plan) == 0
    before = (await read(database, first)).deadline_at
    assert await resize(database, cluster, "b", 7, remove=["y"], timeout=timedelta(minutes=9)) == first
    assert (await groups_of(database, cluster))["b"] == (7, "UPDATE_IN_PROGRESS")
    joined = await read(database, first)
    assert (joined.revision, joined.state) == (1, "waiting")
    assert joined.params["nodes_to_remove"] == ["x", "y"]
    assert joined.deadline_at is not None and before is not None and joined.deadline_at > before
    await walk(database, plan)
    assert plan.runs == ["choose", "wait", "choose", "wait"]
    assert plan.views[-1].output(key("choose")) == Anything(chosen=2)
    assert len({view.run_tag for view in plan.views}) == 2, "stacks are driven again"
    found = await groups_of(database, cluster)
    assert (found["a"], found["b"]) == ((5, "UPDATE_COMPLETE"), (7, "UPDATE_COMPLETE"))
    assert (await events(database)).count("cluster.resize.requested") == 2


@pytest.mark.parametrize(
    "ends", [Done(Anything(stale=True)), Wait("nodes", 3600), PermanentError("not wanted any more")]
)
async def test_what_a_running_step_did_for_the_first_is_not_written_down(database: Database, ends: Any) -> None:
    cluster = await made(database, groups=["a"])
    operation = await resize(database, cluster, "a", 5)

    async def overtaken() -> Any:
        assert await resize(database, cluster, "a", 3) == operation
        if isinstance(ends, Exception):
            raise ends
        return ends

    plan = ScriptedPlan({"only": [overtaken, Done()]}, kind=RESIZE)
    await walk(database, plan)
    row = await read(database, operation)
    assert (row.state, row.lease_token, row.revision) == ("waiting", None, 1)
    assert await walk(database, plan) == 1, "it is due at once"
    assert plan.runs == ["only", "only"]
    assert plan.views[1].outputs == {}
    assert await groups_of(database, cluster) == {"default-master": (1, "CREATE_COMPLETE"), "a": (3, "UPDATE_COMPLETE")}


async def test_one_asked_between_the_last_step_and_the_end_is_not_lost(database: Database) -> None:
    cluster = await made(database, groups=["a"])
    operation = await resize(database, cluster, "a", 5)
    plan = ScriptedPlan({"only": [Done()]}, kind=RESIZE)
    (claim,) = await Leases(database, [plan.kind], seconds=60).claim(1)
    asked = False

    class Late(Runner):
        async def _run_step(self, *args: Any) -> bool:
            nonlocal asked
            goes_on = await super()._run_step(*args)
            if not asked:
                asked = True
                await resize(database, cluster, "a", 6)
            return goes_on

    runner = Late(database, [plan])
    await runner.execute(claim)
    assert (await read(database, operation)).state == "waiting"
    await walk(database, plan)
    assert (await read(database, operation)).state == "succeeded"
    assert (await groups_of(database, cluster))["a"] == (6, "UPDATE_COMPLETE")


async def start(database: Database, cluster: str, kind: OperationKind) -> str:
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        assert row is not None
        return (await start_operation(session, cluster=row, kind=kind, user_id="u1", request_id=None)).uuid


async def test_behind_another_kind_it_waits_and_begins_in_the_transaction_that_ends_it(database: Database) -> None:
    cluster = await made(database, groups=["a", "b"])
    await start(database, cluster, OperationKind.CREATE)
    promised = await resize(database, cluster, "a", 5)
    assert await resize(database, cluster, "b", 2) == promised
    assert await resize(database, cluster, "a", 4) == promised
    assert (await groups_of(database, cluster))["a"] == (1, "CREATE_IN_PROGRESS"), "a wish, not yet the state"
    await walk(database, ScriptedPlan({"only": [Done()]}))
    row = await read(database, promised)
    assert (row.state, row.kind) == ("queued", "resize")
    assert await groups_of(database, cluster) == {
        "default-master": (1, "CREATE_COMPLETE"),
        "a": (4, "UPDATE_IN_PROGRESS"),
        "b": (2, "UPDATE_IN_PROGRESS"),
    }
    assert await status(database, cluster) == "UPDATE_IN_PROGRESS"


async def test_behind_a_failure_it_is_cancelled_and_says_why(database: Database) -> None:
    cluster = await made(database, groups=["a"])
    create = await start(database, cluster, OperationKind.CREATE)
    promised = await resize(database, cluster, "a", 5)
    await walk(database, ScriptedPlan({"only": [PermanentError("No valid host was found.")]}))
    row = await read(database, promised)
    assert (row.state, row.reason) == ("cancelled", "Cancelled: the create before it failed.")
    assert await status(database, cluster) == "CREATE_FAILED"
    assert (await groups_of(database, cluster))["a"] == (1, "CREATE_FAILED")
    assert (await events(database))[-3:] == [
        "cluster.create.failed",
        "cluster.resize.requested",
        "cluster.resize.cancelled",
    ]
    async with database.transaction() as session:
        locked = await lock_cluster(session, cluster)
        assert locked is not None
        failed = (await session.execute(select(Operation).where(Operation.uuid == create))).scalar_one()
        await retry_operation(session, failed, locked, request_id=None, timeout=None)
    assert await status(database, cluster) == "CREATE_IN_PROGRESS"


async def test_a_delete_takes_the_place_of_a_resize_that_waits(database: Database) -> None:
    cluster = await made(database, groups=["a"])
    create = await start(database, cluster, OperationKind.CREATE)
    resizing = await resize(database, cluster, "a", 5)
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        assert row is not None
        deleting = await request_delete(session, cluster=row, user_id="u1", request_id=None)
    assert [(await read(database, uuid)).state for uuid in (create, resizing, deleting)] == [
        "cancelled",
        "cancelled",
        "queued",
    ]
    with pytest.raises(Conflict, match="being deleted"):
        await resize(database, cluster, "a", 6)
    await events(database)


async def test_a_cancelled_resize_leaves_a_cluster_that_can_be_resized(database: Database) -> None:
    cluster = await made(database, groups=["a"])
    first = await resize(database, cluster, "a", 5)
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        assert row is not None
        live = (await session.execute(select(Operation).where(Operation.uuid == first))).scalar_one()
        await cancel_operation(session, live, row)
    assert (await groups_of(database, cluster)) == {
        "default-master": (1, "CREATE_COMPLETE"),
        "a": (5, "UPDATE_FAILED"),
    }
    assert await resize(database, cluster, "a", 5) != first
    assert (await groups_of(database, cluster))["a"] == (5, "UPDATE_IN_PROGRESS")


@pytest.mark.parametrize(
    ("kind", "meanwhile", "well", "badly"),
    [
        (OperationKind.NODEGROUP_CREATE, "CREATE_IN_PROGRESS", "CREATE_COMPLETE", "CREATE_FAILED"),
        (OperationKind.NODEGROUP_DELETE, "DELETE_IN_PROGRESS", "DELETE_COMPLETE", "DELETE_FAILED"),
        (OperationKind.NODEGROUP_UPDATE, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED"),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
async def test_a_nodegroup_has_its_own_verb_and_its_cluster_is_updated(
    database: Database, kind: OperationKind, meanwhile: str, well: str, badly: str, fails: bool
) -> None:
    cluster = await made(database, groups=["a"])
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        assert row is not None
        await start_operation(session, cluster=row, kind=kind, user_id="u1", request_id=None, nodegroup_ids=["a"])
    assert (await groups_of(database, cluster))["a"][1] == meanwhile
    assert await status(database, cluster) == "UPDATE_IN_PROGRESS"
    await walk(database, ScriptedPlan({"only": [PermanentError("no") if fails else Done()]}, kind=kind))
    found = await groups_of(database, cluster)
    assert found["a"][1] == (badly if fails else well)
    assert found["default-master"][1] == "CREATE_COMPLETE"
    assert await status(database, cluster) == ("UPDATE_FAILED" if fails else "UPDATE_COMPLETE")
    family = kind.value.replace("_", ".")
    assert (await events(database))[-1] == f"{family}.{'failed' if fails else 'completed'}"


async def test_a_node_number_is_never_given_twice(database: Database) -> None:
    cluster = await made(database, groups=["a"])
    numbers: list[int] = []
    for _ in range(3):
        async with database.transaction() as session:
            row = await lock_cluster(session, cluster)
            group = (await session.scalars(select(Nodegroup).where(Nodegroup.name == "a"))).one()
            assert row is not None
            numbers += [node.index for node in await add_nodes(session, row, group, 2, 50)]
        async with database.transaction() as session:
            await session.execute(text("DELETE FROM nodes"))
    assert numbers == [0, 1, 2, 3, 4, 5]


async def test_nodegroups_of_like_names_have_nodes_of_unlike_names(database: Database) -> None:
    groups = ["gpu-pool", "GPU_pool", "worker-pool-europe-west-1", "worker-pool-europe-west-2"]
    cluster = await made(database, groups=groups)
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        assert row is not None
        nodes = []
        for group in list(await session.scalars(select(Nodegroup).where(Nodegroup.name.in_(groups)))):
            nodes += [node.name for node in await add_nodes(session, row, group, 2, 50)]
    assert len(set(nodes)) == 8


async def test_a_new_node_does_not_take_the_name_of_one_made_before_names_were_unique(database: Database) -> None:
    cluster = await made(database, groups=["gpu-pool", "GPU_pool"])
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        plain, changed = await session.scalars(select(Nodegroup).where(~Nodegroup.is_default).order_by(Nodegroup.id))
        assert row is not None
        (old,) = await add_nodes(session, row, changed, 1, 50)
        await session.flush()
        old.name = f"c-{cluster[-8:]}-gpu-pool-0"
        await session.flush()
        (new,) = await add_nodes(session, row, plain, 1, 50)
        await session.flush()
        assert new.name != old.name


async def test_the_database_refuses_a_second_node_of_a_name(database: Database) -> None:
    cluster = await made(database, groups=["a"])
    with pytest.raises(IntegrityError, match="uq_nodes_name_in_cluster"):
        async with database.transaction() as session:
            row = await lock_cluster(session, cluster)
            group = (await session.scalars(select(Nodegroup).where(Nodegroup.name == "a"))).one()
            assert row is not None
            for node in await add_nodes(session, row, group, 2, 50):
                node.name = "same"
