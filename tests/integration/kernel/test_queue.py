"""Operations on nodegroups wait for each other, and all begin, or all are on record as cancelled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from shared.db.engine import Database
from shared.db.models import Nodegroup, Operation
from shared.domain.errors import Conflict, PermanentError
from shared.domain.states import LIVE, OperationKind
from shared.operations.locks import lock_cluster
from shared.operations.params import NodegroupCreateParams, NodegroupDeleteParams, NodegroupUpdateParams, Params
from shared.operations.plan import Done
from shared.operations.queue import LONGEST, Busy, request_nodegroup_operation
from shared.operations.requests import request_delete, retry_operation
from shared.operations.start import start_operation
from tests.integration.kernel.test_resize import groups_of, made, read, resize, status, walk
from tests.support.plans import Behaviour, ScriptedPlan

CREATE, UPDATE, DELETE = (
    OperationKind.NODEGROUP_CREATE, OperationKind.NODEGROUP_UPDATE, OperationKind.NODEGROUP_DELETE
)  # fmt: skip
PARAMS: dict[OperationKind, Params] = {
    CREATE: NodegroupCreateParams(nodegroup="n", node_count=1),
    UPDATE: NodegroupUpdateParams(nodegroup="n"),
    DELETE: NodegroupDeleteParams(nodegroup="n"),
}


async def ask(database: Database, cluster: str, kind: OperationKind, group: str) -> str:
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        assert row is not None
        return await request_nodegroup_operation(
            session,
            cluster=row,
            kind=kind,
            nodegroup=(await session.scalars(select(Nodegroup).where(Nodegroup.uuid == group))).one(),
            params=PARAMS[kind],
            user_id="u1",
            request_id="r",
            timeout=timedelta(hours=1),
        )


async def live(database: Database) -> tuple[str, str, list[str] | None]:
    async with database.transaction() as session:
        found = (await session.scalars(select(Operation).where(Operation.state.in_(LIVE)))).one()
        return found.uuid, found.kind, found.nodegroup_ids


def plans(behaviour: Behaviour) -> list[ScriptedPlan]:
    kinds = (CREATE, UPDATE, DELETE, OperationKind.RESIZE)
    return [ScriptedPlan({"only": [behaviour]}, kind=kind) for kind in kinds]


async def test_they_begin_one_after_the_other_in_the_order_of_the_requests(database: Database) -> None:
    cluster = await made(database, groups=["a", "b", "c"])
    asked = [
        await ask(database, cluster, CREATE, "a"),
        await ask(database, cluster, CREATE, "b"),
        await resize(database, cluster, "c", 3),
        await ask(database, cluster, UPDATE, "b"),
    ]
    assert await resize(database, cluster, "c", 4) == asked[2], "a resize that waits takes in the next"
    assert (await groups_of(database, cluster))["b"] == (1, "UPDATE_IN_PROGRESS")
    for operation, kind, group in zip(asked, (CREATE, CREATE, OperationKind.RESIZE, UPDATE), "abcb", strict=True):
        assert await live(database) == (operation, kind, [group])
        assert await status(database, cluster) == "UPDATE_IN_PROGRESS"
        await walk(database, *plans(Done()))
    assert await status(database, cluster) == "UPDATE_COMPLETE"
    assert await groups_of(database, cluster) == {
        "default-master": (1, "CREATE_COMPLETE"),
        "a": (1, "CREATE_COMPLETE"),
        "b": (1, "UPDATE_COMPLETE"),
        "c": (4, "UPDATE_COMPLETE"),
    }


async def test_behind_a_failure_all_are_cancelled_and_a_retry_does_not_bring_them_back(database: Database) -> None:
    cluster = await made(database, groups=["a", "b", "c"])
    first = await ask(database, cluster, CREATE, "a")
    waiting = [await ask(database, cluster, CREATE, "b"), await ask(database, cluster, DELETE, "c")]
    await walk(database, *plans(PermanentError("no host")))
    reason = "Cancelled: the nodegroup_create before it failed."
    for operation in waiting:
        row = await read(database, operation)
        assert (row.state, row.reason) == ("cancelled", reason)
    found = await groups_of(database, cluster)
    assert [found[name][1] for name in "abc"] == ["CREATE_FAILED", "CREATE_FAILED", "DELETE_FAILED"]
    async with database.transaction() as session:
        groups = {row.name: row.status_reason for row in await session.scalars(select(Nodegroup))}
        assert groups["b"] == groups["c"] == reason
        locked = await lock_cluster(session, cluster)
        failed = await session.get(Operation, first)
        assert locked is not None
        assert failed is not None
        await retry_operation(session, failed, locked, request_id=None, timeout=None)
    await walk(database, *plans(Done()))
    assert await status(database, cluster) == "UPDATE_COMPLETE"


async def test_a_delete_of_the_cluster_cancels_all_that_wait(database: Database) -> None:
    cluster = await made(database, groups=["a", "b", "c"])
    asked = [await ask(database, cluster, CREATE, group) for group in "abc"]
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        assert row is not None
        await request_delete(session, cluster=row, user_id="u1", request_id=None)
    assert [(await read(database, operation)).state for operation in asked] == ["cancelled"] * 3
    assert (await live(database))[1] == OperationKind.DELETE
    assert {state for _, state in (await groups_of(database, cluster)).values()} == {"DELETE_IN_PROGRESS"}
    with pytest.raises(Conflict, match="is being deleted"):
        await ask(database, cluster, CREATE, "a")


async def test_there_is_an_end_to_what_can_wait(database: Database) -> None:
    cluster = await made(database, groups=["a"])
    for _ in range(LONGEST + 1):
        await ask(database, cluster, UPDATE, "a")
    with pytest.raises(Conflict, match=f"{LONGEST} operations waiting"):
        await ask(database, cluster, UPDATE, "a")


async def test_behind_an_operation_of_another_kind_nothing_waits(database: Database) -> None:
    cluster = await made(database, groups=["a"])
    async with database.transaction() as session:
        row = await lock_cluster(session, cluster)
        assert row is not None
        await start_operation(
            session, cluster=row, kind=OperationKind.ROTATE_CREDENTIALS, user_id="u1", request_id=None
        )
    with pytest.raises(Busy):
        await ask(database, cluster, CREATE, "a")
    async with database.transaction() as session:
        assert (await session.scalars(select(Operation))).one().follow_up is None
