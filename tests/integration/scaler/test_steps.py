"""The scaler's steps on rows: run again and again they say one thing, and no drain holds anything up for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from services.scaler.steps.choice import ensure_nodes_chosen
from services.scaler.steps.labels import ensure_nodes_labelled
from shared.db.engine import Database
from shared.db.models import Cluster, Event, Node, NodeCommand, Nodegroup, Operation
from shared.domain.errors import PermanentError
from shared.domain.states import OperationKind
from shared.drivers.kubernetes import members
from shared.operations.outputs import DrainedNodes, UpdatedLabels
from shared.operations.plan import Done, Wait
from shared.steps.drain import ensure_nodes_drained
from shared.steps.gone import ensure_nodes_gone
from tests.support.scaler_stage import Stage, make_stage


@pytest.fixture
async def stage(database: Database, database_url: str) -> Stage:
    return await make_stage(database, database_url)


def states(nodes: dict[str, Node]) -> dict[str, str]:
    return {name: node.state for name, node in nodes.items() if name.startswith("worker")}


async def test_choosing_twice_is_choosing_once(stage: Stage) -> None:
    first = await stage.chosen(3)
    rows = states(await stage.nodes())
    assert rows == {f"worker-{i}": "removing" if i in (3, 4) else "joined" for i in range(5)}
    group = stage.view.nodegroup_ids
    assert group is not None
    assert first.shards == ((group[0], 1), (group[0], 2))
    assert await stage.chosen(3) == first
    assert states(await stage.nodes()) == rows


async def test_a_wish_that_grows_again_plans_anew_and_takes_nothing_back(stage: Stage) -> None:
    await stage.chosen(2)
    done = await stage.chosen(4)
    rows = states(await stage.nodes())
    assert [name for name, state in rows.items() if state == "removing"] == ["worker-2", "worker-3", "worker-4"]
    assert [name for name, state in rows.items() if state == "planned"] == ["worker-5", "worker-6"]
    assert len(done.leaving) == 3


async def test_a_deleted_nodegroup_keeps_nobody(stage: Stage) -> None:
    stage.view = replace(stage.view, kind=OperationKind.NODEGROUP_DELETE.value)
    done = await stage.chosen(5)
    assert set(states(await stage.nodes()).values()) == {"removing"}
    assert len(done.leaving) == 5


async def test_masters_are_not_chosen(stage: Stage) -> None:
    async with stage.context.database.transaction() as session:
        masters = (await session.scalars(select(Nodegroup).where(Nodegroup.role == "master"))).one()
        masters.node_count = 1
    stage.view = replace(stage.view, nodegroup_ids=(masters.uuid,))
    with pytest.raises(PermanentError, match="masters are only removed one at a time and by name"):
        await ensure_nodes_chosen(stage.context, stage.view)
    assert {node.state for node in (await stage.nodes()).values()} == {"joined"}


async def test_a_cluster_whose_create_never_had_a_network(stage: Stage) -> None:
    async with stage.context.database.transaction() as session:
        await session.execute(update(Cluster).values(stack_id=None))
    with pytest.raises(PermanentError, match="retry the create first"):
        await stage.chosen(6)
    assert len(await stage.nodes()) == 8


async def test_a_drain_is_sent_once_and_told_once(stage: Stage) -> None:
    await stage.chosen(3)
    for _ in range(3):
        assert isinstance(await ensure_nodes_drained(stage.context, stage.view), Wait)
    (command,) = await stage.commands()
    nodes = await stage.nodes()
    names = " ".join(nodes[name].name for name in ("worker-3", "worker-4"))
    assert (command.node_id, command.name) == (nodes["master-0"].uuid, "remove-nodes")
    assert command.args == {"nodes": names, "leaving": names, "timeout": 60}
    await stage.answer(results={f"not_drained.{nodes['worker-4'].name}": "a pod stays"})
    for _ in range(3):
        done = await ensure_nodes_drained(stage.context, stage.view)
        assert done == Done(DrainedNodes(drained=1, not_drained=1))
    assert await stage.events("node.drained.v1") == ["3"]
    for _ in range(2):
        await ensure_nodes_gone(stage.context, stage.view)
    assert await stage.events("node.removed.v1") == ["3", "4"]
    assert sorted(states(await stage.nodes())) == ["worker-0", "worker-1", "worker-2"]
    async with stage.context.database.transaction() as session:
        rows = await session.scalars(select(Event.data["reason"].astext).where(Event.type.endswith("removed.v1")))
        assert sorted(rows) == ["drained", "not drained: a pod stays"]


async def test_one_batch_that_is_through_waits_for_the_other_and_is_told_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "BATCH", 1)
    await stage.chosen(3)
    assert isinstance(await ensure_nodes_drained(stage.context, stage.view), Wait)
    first, second = await stage.commands()
    async with stage.context.database.transaction() as session:
        answered = update(NodeCommand).where(NodeCommand.id == first.id)
        await session.execute(answered.values(ok=True, output="", finished_at=func.now()))
    for _ in range(2):
        assert isinstance(await ensure_nodes_drained(stage.context, stage.view), Wait)
    assert len(await stage.events("node.drained.v1")) == 1
    await stage.answer()
    assert isinstance(await ensure_nodes_drained(stage.context, stage.view), Done)
    assert await stage.events("node.drained.v1") == ["3", "4"]
    assert second.node_id != first.node_id, "the masters share the work"


async def test_a_drain_that_is_never_answered_holds_nobody(stage: Stage) -> None:
    await stage.chosen(4)
    assert isinstance(await ensure_nodes_drained(stage.context, stage.view), Wait)
    async with stage.context.database.transaction() as session:
        await session.execute(update(NodeCommand).values(created_at=func.now() - timedelta(minutes=3)))
    assert await ensure_nodes_drained(stage.context, stage.view) == Done(DrainedNodes(drained=0, not_drained=1))
    assert (await stage.nodes())["worker-4"].reason == "not drained: the command timed out"
    assert await stage.events("node.drained.v1") == []


async def test_a_master_that_cannot_drain_says_why(stage: Stage) -> None:
    await stage.chosen(4)
    await ensure_nodes_drained(stage.context, stage.view)
    await stage.answer(ok=False, output="== step\njeroboam: the API server is not ready\n")
    assert isinstance(await ensure_nodes_drained(stage.context, stage.view), Done)
    reason = (await stage.nodes())["worker-4"].reason
    assert reason == "not drained: jeroboam: the API server is not ready"


async def test_without_a_master_nodes_go_as_they_are(stage: Stage) -> None:
    await stage.chosen(4)
    async with stage.context.database.transaction() as session:
        await session.execute(text("UPDATE nodes SET state = 'failed' WHERE role = 'master'"))
    assert await ensure_nodes_drained(stage.context, stage.view) == Done(DrainedNodes(drained=0, not_drained=1))
    assert (await stage.nodes())["worker-4"].reason == "not drained: the cluster has no working master"
    assert await stage.commands() == []


async def test_a_node_that_never_spoke_has_nothing_to_drain(stage: Stage) -> None:
    await stage.set("worker-4", announced_at=None, state="creating")
    await stage.chosen(4)
    assert await ensure_nodes_drained(stage.context, stage.view) == Done(DrainedNodes(drained=0, not_drained=0))
    assert await stage.commands() == []


async def test_a_node_that_could_not_join_is_asked_again_and_one_not_built_is_built(stage: Stage) -> None:
    await stage.set("worker-0", state="failed", reason="kubeadm")
    await stage.set("worker-1", state="failed", reason="No valid host", server_id=None)
    done = await stage.chosen(5)
    nodes = await stage.nodes()
    assert (nodes["worker-0"].state, nodes["worker-1"].state) == ("announced", "failed")
    assert [(command.node_id, command.name) for command in await stage.commands()] == [
        (nodes["worker-0"].uuid, "bootstrap")
    ]
    assert [shard for _, shard in done.shards] == [0]


async def test_labels_reach_the_nodes_there_are(stage: Stage) -> None:
    async with stage.context.database.transaction() as session:
        await session.execute(update(Nodegroup).where(Nodegroup.name == "workers").values(node_labels={"tier": "gold"}))
    before = {"node_labels": {"old": "x"}, "node_taints": []}
    stage.view = replace(stage.view, kind=OperationKind.NODEGROUP_UPDATE.value, params={"before": before})
    for _ in range(2):
        assert isinstance(await ensure_nodes_labelled(stage.context, stage.view), Wait)
    (command,) = await stage.commands()
    assert command.args["labels"] == "tier=gold old-"
    await stage.answer(ok=False, output="Forbidden")
    with pytest.raises(PermanentError, match="could not be labelled: Forbidden"):
        await ensure_nodes_labelled(stage.context, stage.view)
    stage.view = replace(stage.view, retries=1)
    assert isinstance(await ensure_nodes_labelled(stage.context, stage.view), Wait)
    await stage.answer()
    assert await ensure_nodes_labelled(stage.context, stage.view) == Done(UpdatedLabels(commands=1))


async def test_labels_that_did_not_change_are_nobodys_business(stage: Stage) -> None:
    stage.view = replace(stage.view, kind=OperationKind.NODEGROUP_UPDATE.value, params={"before": {}})
    assert await ensure_nodes_labelled(stage.context, stage.view) == Done(UpdatedLabels(commands=0))


async def test_what_could_not_be_done_for_a_removed_node_is_the_operations_reason(stage: Stage) -> None:
    async with stage.context.database.transaction() as session:
        session.add(
            Operation(
                uuid=stage.view.uuid, cluster_id=stage.view.cluster_id, cluster_name="c", project_id="p1", user_id="u1",
                kind="resize", state="waiting", attempts=0, retries=0, revision=0, done=0, total=0,
                cancel_requested=False, params={},
            )
        )  # fmt: skip
    await stage.chosen(2)
    await ensure_nodes_drained(stage.context, stage.view)
    nodes = await stage.nodes()
    two, three = nodes["worker-2"].name, nodes["worker-3"].name
    await stage.answer(results={f"not_removed.{two}": "Forbidden", f"not_drained.{three}": "a pod stays"})
    done = await ensure_nodes_drained(stage.context, stage.view)
    assert done == Done(DrainedNodes(drained=2, not_drained=1))
    assert await stage.events("node.drained.v1") == ["2", "4"]
    for _ in range(2):
        await ensure_nodes_gone(stage.context, stage.view)
    async with stage.context.database.transaction() as session:
        reason = await session.scalar(select(Operation.reason).where(Operation.uuid == stage.view.uuid))
    assert reason == (
        f"{two} was removed, but its engine still lists it: Forbidden; "
        f"{three} was removed, but not drained: a pod stays"
    )


async def test_a_node_whose_server_does_not_exist_is_told_to_the_engine(stage: Stage) -> None:
    await stage.chosen(3)
    await stage.set("worker-4", loss="machine")
    await ensure_nodes_drained(stage.context, stage.view)
    (command,) = await stage.commands()
    assert command.args["lost"] == (await stage.nodes())["worker-4"].name


async def test_nodes_that_could_not_be_labelled_are_named(stage: Stage) -> None:
    async with stage.context.database.transaction() as session:
        await session.execute(update(Nodegroup).where(Nodegroup.name == "workers").values(node_labels={"tier": "gold"}))
    stage.view = replace(stage.view, kind=OperationKind.NODEGROUP_UPDATE.value, params={"before": {"node_labels": {}}})
    await ensure_nodes_labelled(stage.context, stage.view)
    await stage.answer(
        ok=False, output="jeroboam: could not be labelled: w-1", results={"not_labelled.w-1": "Forbidden"}
    )
    with pytest.raises(PermanentError, match=r"could not be labelled: w-1: Forbidden$"):
        await ensure_nodes_labelled(stage.context, stage.view)
