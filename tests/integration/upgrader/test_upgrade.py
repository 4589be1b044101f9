"""The upgrade's plan against real rows: what agents answer is written by the test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select, text

from services.upgrader.plan import UpgradePlan
from shared.db.engine import Database
from shared.db.models import Cluster, ClusterTemplate, Node, NodeCommand, Nodegroup, Operation
from shared.domain.ids import new_id
from shared.domain.states import NodeState, OperationKind
from shared.operations.leases import Leases
from shared.operations.locks import lock_cluster
from shared.operations.nodes import add_nodes
from shared.operations.params import UpgradeParams
from shared.operations.requests import retry_operation
from shared.operations.runner import Runner
from shared.operations.start import start_operation
from shared.settings import Settings
from shared.steps.context import StepContext
from tests.support.rows import make_cluster

OLD, NEW = "v1.34.2", "v1.35.0"


@pytest.fixture
def plan(database: Database) -> UpgradePlan:
    settings = Settings.model_construct(node_command_timeout_minutes=70)
    # An upgrade has no business with the cloud, and is given none.
    nothing = cast(Any, None)
    return UpgradePlan(StepContext(settings, database, nothing, nothing, nothing))


async def begin(database: Database, *, masters: int = 3, workers: int = 4, batch: int | None = 2) -> str:
    """A cluster at OLD whose upgrade to NEW is queued; returns the operation."""
    async with database.transaction() as session:
        cluster = await make_cluster(session)
        cluster.labels = {"kube_tag": OLD, "own": "kept"}
        template = ClusterTemplate(
            uuid=new_id(), name="new", project_id="p1", user_id="u1", coe="kubernetes", image_id="ubuntu",
            labels={"kube_tag": NEW, "own": "template's"},
        )  # fmt: skip
        group = Nodegroup(
            uuid=new_id(), cluster_id=cluster.uuid, project_id="p1", name="default-worker", role="worker",
            is_default=True, flavor_id="m1", image_id="ubuntu", operating_system="ubuntu", hardware="vm",
            node_count=workers, status="CREATE_COMPLETE",
        )  # fmt: skip
        session.add_all([template, group])
        await session.flush()
        first = (await session.scalars(select(Nodegroup).where(Nodegroup.name == "default-master"))).one()
        for each, count in ((first, masters), (group, workers)):
            for node in await add_nodes(session, cluster, each, count, 50):
                node.state, node.version = NodeState.JOINED, OLD
        operation = await start_operation(
            session,
            cluster=cluster,
            kind=OperationKind.UPGRADE,
            user_id="u1",
            request_id=None,
            params=UpgradeParams(cluster_template_id=template.uuid, max_batch_size=batch),
            timeout=timedelta(hours=1),
        )
        return operation.uuid


async def walk(database: Database, plan: UpgradePlan) -> None:
    async with database.transaction() as session:
        await session.execute(text("UPDATE operations SET next_attempt_at = now() WHERE state = 'waiting'"))
    for claim in await Leases(database, [plan.kind], seconds=60).claim(5):
        await Runner(database, [plan]).execute(claim)


async def waiting(database: Database) -> list[tuple[str, str, str]]:
    """Unanswered commands: what, on which node, about which node."""
    async with database.transaction() as session:
        names = {row.uuid: row.name.split("-", 2)[2] for row in await session.scalars(select(Node))}
        rows = await session.scalars(
            select(NodeCommand)
            .where(NodeCommand.finished_at.is_(None))
            .order_by(NodeCommand.created_at, NodeCommand.id)
        )
        return sorted((row.name, names[row.node_id], str(row.args.get("node", ""))[-1:]) for row in rows)


async def answer(database: Database, *, ok: bool = True, output: str = "", only: str = "") -> None:
    async with database.transaction() as session:
        rows = await session.scalars(select(NodeCommand).where(NodeCommand.finished_at.is_(None)).with_for_update())
        (now,) = (await session.execute(text("SELECT now()"))).one()
        for row in rows:
            if row.name == only or not only:
                row.finished_at, row.ok, row.output = now, ok, output


async def read(database: Database, operation: str) -> Operation:
    async with database.transaction() as session:
        return (await session.execute(select(Operation).where(Operation.uuid == operation))).scalar_one()


async def versions(database: Database) -> dict[str, str | None]:
    async with database.transaction() as session:
        return {row.name.split("-", 2)[2]: row.version for row in await session.scalars(select(Node))}


async def test_masters_one_by_one_then_workers_in_batches(database: Database, plan: UpgradePlan) -> None:
    operation = await begin(database)
    seen: list[list[tuple[str, str, str]]] = []
    for _ in range(60):
        await walk(database, plan)
        if (await read(database, operation)).state != "waiting":
            break
        given = await waiting(database)
        if not seen or given != seen[-1]:
            seen.append(given)
        await answer(database)
    assert (await read(database, operation)).state == "succeeded"
    first = [step[0] for step in seen[:4]]
    assert first == [
        ("upgrade-prepare", "default-master-0", ""),
        ("drain", "default-master-1", "0"),
        ("upgrade", "default-master-0", ""),
        ("uncordon", "default-master-1", "0"),
    ]
    on_masters = seen[:12]
    assert all(len(step) == 1 for step in on_masters), "never two masters at once"
    on_workers = seen[12:]
    assert max(len(step) for step in on_workers) == 2
    assert {step[1] for batch in on_workers for step in batch if step[0] == "upgrade"} == {
        f"default-worker-{number}" for number in range(4)
    }
    async with database.transaction() as session:
        cluster = (await session.scalars(select(Cluster))).one()
        template = (await session.scalars(select(ClusterTemplate).where(ClusterTemplate.name == "new"))).one()
        groups = list(await session.scalars(select(Nodegroup)))
    assert (cluster.status, cluster.coe_version) == ("UPDATE_COMPLETE", NEW)
    assert cluster.cluster_template_id == template.uuid
    assert cluster.labels == {"kube_tag": NEW, "own": "kept"}
    assert {group.version for group in groups} == {NEW}
    assert set((await versions(database)).values()) == {NEW}


async def test_a_failure_stops_the_roll_and_a_retry_goes_on_from_there(database: Database, plan: UpgradePlan) -> None:
    operation = await begin(database, masters=1, workers=2, batch=1)
    for _ in range(6):  # the master's four actions, and the first worker's preparation
        await walk(database, plan)
        if (
            await waiting(database) == [("drain", "default-master-0", "0")]
            and (await versions(database))["default-master-0"] == NEW
        ):
            break
        await answer(database)
    await answer(database, ok=False, output="error when evicting pods: would violate the budget\n")
    await walk(database, plan)
    row = await read(database, operation)
    assert row.state == "failed"
    assert row.reason is not None
    assert "1 of 2 nodes could not be upgraded" in row.reason
    assert "drain failed: error when evicting pods: would violate the budget" in row.reason
    assert await waiting(database) == [], "nobody else was begun"
    async with database.transaction() as session:
        cluster = (await session.scalars(select(Cluster))).one()
        assert (cluster.status, cluster.labels["kube_tag"]) == ("UPDATE_FAILED", OLD)
        locked = await lock_cluster(session, cluster.uuid)
        assert locked is not None
        failed = (await session.execute(select(Operation))).scalar_one()
        await retry_operation(session, failed, locked, request_id=None, timeout=timedelta(hours=1))
    for _ in range(20):
        await walk(database, plan)
        if (await read(database, operation)).state != "waiting":
            break
        assert ("upgrade", "default-master-0", "") not in await waiting(database), "it has the version already"
        await answer(database)
    assert (await read(database, operation)).state == "succeeded"
    assert set((await versions(database)).values()) == {NEW}


async def test_a_crash_after_any_walk_repeats_no_command(database: Database, plan: UpgradePlan) -> None:
    await begin(database, masters=1, workers=1)
    await walk(database, plan)
    before = await waiting(database)
    for _ in range(3):
        await walk(database, plan)
    assert await waiting(database) == before


async def test_an_agent_that_never_answers_fails_it(database: Database, plan: UpgradePlan) -> None:
    operation = await begin(database, masters=1, workers=1)
    await walk(database, plan)
    async with database.transaction() as session:
        await session.execute(text("UPDATE node_commands SET created_at = now() - interval '71 minutes'"))
    await walk(database, plan)
    assert "upgrade-prepare was not answered within 70 minutes" in str((await read(database, operation)).reason)


async def test_the_same_version_disturbs_nobody(database: Database, plan: UpgradePlan) -> None:
    operation = await begin(database)
    async with database.transaction() as session:
        await session.execute(text("UPDATE nodes SET version = :v"), {"v": NEW})
    await walk(database, plan)
    assert (await read(database, operation)).state == "succeeded"
    assert await waiting(database) == []


async def test_a_template_that_became_older_meanwhile_says_so(database: Database, plan: UpgradePlan) -> None:
    operation = await begin(database)
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE cluster_templates SET labels = '{\"kube_tag\": \"v1.33.0\"}' WHERE name = 'new'")
        )
    await walk(database, plan)
    assert "Kubernetes does not support downgrades" in str((await read(database, operation)).reason)


async def add_group(database: Database, name: str, version: str | None) -> str:
    """A nodegroup beside the default ones, with one joined node."""
    async with database.transaction() as session:
        cluster = (await session.scalars(select(Cluster))).one()
        group = Nodegroup(
            uuid=new_id(), cluster_id=cluster.uuid, project_id="p1", name=name, role="worker", is_default=False,
            flavor_id="m1", image_id="ubuntu", operating_system="ubuntu", hardware="vm", node_count=1,
            labels={"kube_tag": version} if version else {}, status="CREATE_COMPLETE",
        )  # fmt: skip
        session.add(group)
        await session.flush()
        for node in await add_nodes(session, cluster, group, 1, 50):
            node.state, node.version = NodeState.JOINED, version or OLD
        return group.uuid


async def groups_of(database: Database) -> dict[str, tuple[str | None, str | None]]:
    """Nodegroup -> its label and its version."""
    async with database.transaction() as session:
        rows = await session.scalars(select(Nodegroup))
        return {row.name: (row.labels.get("kube_tag"), row.version) for row in rows}


async def complete(database: Database) -> None:
    async with database.transaction() as session:
        (await session.scalars(select(Cluster))).one().coe_version = OLD


async def go_on(database: Database, plan: UpgradePlan, operation: str, until: str = "") -> None:
    """Answer everything until a command is asked for, or the operation has ended."""
    for _ in range(60):
        await walk(database, plan)
        if (await read(database, operation)).state != "waiting":
            return
        if until in {what for what, _, _ in await waiting(database)}:
            return
        await answer(database)


async def test_the_add_ons_follow_the_nodes(database: Database, plan: UpgradePlan) -> None:
    operation = await begin(database, masters=3, workers=1)
    await complete(database)
    await go_on(database, plan, operation, until="bootstrap")
    assert await waiting(database) == [("bootstrap", "default-master-0", "")]
    assert set((await versions(database)).values()) == {NEW}
    async with database.transaction() as session:
        (command,) = await session.scalars(select(NodeCommand).where(NodeCommand.name == "bootstrap"))
        cluster = (await session.scalars(select(Cluster))).one()
        assert command.args == {"part": "add-ons"}
        # What the master fetches now is rendered from these.
        assert (cluster.labels["kube_tag"], cluster.coe_version) == (NEW, OLD)
    assert await groups_of(database) == {"default-master": (NEW, NEW), "default-worker": (NEW, NEW)}
    await answer(database)
    await walk(database, plan)
    assert (await read(database, operation)).state == "succeeded"
    async with database.transaction() as session:
        assert (await session.scalars(select(Cluster))).one().coe_version == NEW


async def test_add_ons_that_are_rejected_fail_the_upgrade_and_a_retry_applies_them(
    database: Database, plan: UpgradePlan
) -> None:
    operation = await begin(database, masters=1, workers=1)
    await complete(database)
    await go_on(database, plan, operation, until="bootstrap")
    await answer(database, ok=False, output="jeroboam: 40-cloud-controller.yaml was rejected: Forbidden")
    await walk(database, plan)
    row = await read(database, operation)
    assert row.state == "failed"
    assert "could not apply the add-ons of v1.35.0: jeroboam: 40-cloud-controller.yaml was rejected" in str(row.reason)
    async with database.transaction() as session:
        cluster = (await session.scalars(select(Cluster))).one()
        assert (cluster.status, cluster.coe_version) == ("UPDATE_FAILED", OLD), "it has not been reached"
        locked = await lock_cluster(session, cluster.uuid)
        assert locked is not None
        failed = (await session.execute(select(Operation))).scalar_one()
        await retry_operation(session, failed, locked, request_id=None, timeout=timedelta(hours=1))
    await walk(database, plan)
    assert await waiting(database) == [("bootstrap", "default-master-0", "")], "and nothing else"
    await answer(database)
    await walk(database, plan)
    assert (await read(database, operation)).state == "succeeded"


async def test_a_nodegroup_that_is_not_upgraded_keeps_its_version(database: Database, plan: UpgradePlan) -> None:
    operation = await begin(database, masters=1, workers=1)
    await add_group(database, "plain", None)
    await add_group(database, "pinned", "v1.33.0")
    async with database.transaction() as session:
        defaults = await session.scalars(select(Nodegroup.uuid).where(Nodegroup.is_default))
        (await session.scalars(select(Operation))).one().nodegroup_ids = list(defaults)
    await go_on(database, plan, operation)
    assert (await read(database, operation)).state == "succeeded"
    assert await groups_of(database) == {
        "default-master": (NEW, NEW),
        "default-worker": (NEW, NEW),
        "plain": (OLD, None),
        "pinned": ("v1.33.0", None),
    }


async def test_a_nodegroup_follows_its_cluster_and_not_a_template(database: Database, plan: UpgradePlan) -> None:
    first = await begin(database, masters=1, workers=1)
    group = await add_group(database, "late", "v1.33.0")
    await go_on(database, plan, first)
    async with database.transaction() as session:
        cluster = await lock_cluster(session, (await session.scalars(select(Cluster.uuid))).one())
        assert cluster is not None
        template = (await session.scalars(select(ClusterTemplate).where(ClusterTemplate.name == "new"))).one()
        template.labels = {"kube_tag": "v1.36.0"}  # the cluster was made with a label of its own
        operation = await start_operation(
            session, cluster=cluster, kind=OperationKind.UPGRADE, user_id="u1", request_id=None,
            params=UpgradeParams(cluster_template_id=template.uuid, nodegroup="late"), timeout=None,
            nodegroup_ids=[group],
        )  # fmt: skip
        uuid = operation.uuid
    await go_on(database, plan, uuid, until="bootstrap")
    assert (await read(database, uuid)).state == "succeeded", "without add-ons, which are the cluster's"
    assert (await groups_of(database))["late"] == (NEW, NEW)
    assert (await versions(database))["late-0"] == NEW
