"""An operation begun by the version before goes on: its rows are written at revision 0003, migrated, and walked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid4, uuid5

import asyncpg
import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from jeroboam.driver import SecretKind
from sandbox.postgres import EmbeddedPostgres
from services.provisioner.plan import PLANS as PROVISIONER
from services.scaler.plan import PLANS as SCALER
from services.scaler.plan import ResizePlan
from services.upgrader.plan import PLANS as UPGRADER
from shared.cloud.names import OWNED, shard_stack
from shared.db.engine import Database
from shared.db.migrate import alembic_config, migrate
from shared.domain.kinds import OperationKind
from shared.operations.cluster_state import read_cluster
from shared.operations.leases import Leases
from shared.operations.node_tokens import SEED_SECRET
from shared.operations.runner import Runner
from shared.operations.step_keys import REPLACE_CONTROL_NODES, REPLACE_KEY_PAIRS, REPLACE_OTHER_NODES, SETTLE_NODES
from shared.pki.cluster_secrets import ensure_cluster_secrets
from shared.stacks.shard_template import node_indexes
from tests.conftest import asyncpg_url
from tests.support.old_rows import OldRows
from tests.support.scaler_stage import make_context
from tests.support.scripted_heat import HeldStack, ScriptedHeat

PLANS = {plan.kind: plan for plan in (*PROVISIONER, *SCALER, *UPGRADER)}
OLD = {
    "create": (
        *("ensure_base_stack_sent", "ensure_secrets", "ensure_credential", "ensure_base_stack", "ensure_shards"),
        "ensure_nodes_joined",
    ),
    "delete": (
        *("ensure_agents_dismissed", "ensure_shards_gone", "ensure_service_load_balancers_gone", "ensure_base_gone"),
        *("ensure_nothing_left", "ensure_credential_gone"),
    ),
    **dict.fromkeys(
        ("resize", "nodegroup_create", "nodegroup_delete"),
        (
            *("ensure_nodes_chosen", "ensure_nodes_drained", "ensure_shards", "ensure_nodes_joined"),
            "ensure_nodes_gone",
        ),
    ),
    "nodegroup_update": ("ensure_nodes_labelled",),
    "upgrade": ("ensure_target_known", "ensure_masters_upgraded", "ensure_workers_upgraded"),
    "rotate_ca": (
        *("ensure_successors_made", "ensure_both_trusted", "ensure_trust_refreshed", "ensure_successors_sign"),
        "ensure_old_ones_forgotten",
    ),
    "rotate_credentials": ("ensure_new_credential", "ensure_cluster_has_it", "ensure_old_ones_gone"),
}


@dataclass
class Before:
    """A database at revision 0003."""

    url: str
    rows: OldRows

    async def step_names(self, operation: str) -> tuple[list[str], str | None]:
        """The names of its steps in order, and of the one it is at."""
        database = Database(self.url, application_name="test", pool_size=1)
        try:
            async with database.transaction() as session:
                given = {"uuid": operation}
                found = await session.scalars(
                    text("SELECT name FROM operation_steps WHERE operation_id = :uuid ORDER BY position"), given
                )
                return list(found), await session.scalar(text("SELECT step FROM operations WHERE uuid = :uuid"), given)
        finally:
            await database.close()


@pytest.fixture
async def before(postgres: EmbeddedPostgres) -> AsyncIterator[Before]:
    name = f"t{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres.url("postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    await migrate(asyncpg_url(postgres, name), "0003")
    connection = await asyncpg.connect(postgres.url(name))
    yield Before(asyncpg_url(postgres, name), OldRows(connection))
    await connection.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def begun(before: Before, kind: str, state: str) -> str:
    operation = await before.rows.operation(await before.rows.cluster(), kind, state, step=OLD[kind][-1])
    for position, name in enumerate(OLD[kind]):
        await before.rows.step(operation, position, name)
    return operation


# Steps that no operation of that revision can have begun.
ADDED_SINCE = {REPLACE_KEY_PAIRS, SETTLE_NODES, REPLACE_CONTROL_NODES, REPLACE_OTHER_NODES}


async def test_every_step_of_every_kind_gets_its_name_and_gives_it_back(before: Before) -> None:
    assert set(OLD) <= set(OperationKind)
    operations = {kind: await begun(before, kind, "waiting") for kind in OLD}
    await migrate(before.url)
    for kind, operation in operations.items():
        names = [key.name for key, _ in PLANS[OperationKind(kind)].functions if key not in ADDED_SINCE]
        assert await before.step_names(operation) == (names, names[-1])
    await asyncio.to_thread(command.downgrade, alembic_config(before.url), "0003")
    for kind, operation in operations.items():
        assert await before.step_names(operation) == (list(OLD[kind]), OLD[kind][-1])


@pytest.mark.parametrize(("state", "renamed"), [("queued", True), ("failed", True), ("succeeded", False)])
async def test_what_can_go_on_is_renamed_and_history_is_not(before: Before, state: str, renamed: bool) -> None:
    operation = await begun(before, "upgrade", state)
    await migrate(before.url)
    names, _ = await before.step_names(operation)
    assert names == (
        ["resolve_target", "upgrade_control_nodes", "upgrade_other_nodes"] if renamed else [*OLD["upgrade"]]
    )


async def test_nodes_that_share_a_name_keep_it_and_no_other_may_take_one(before: Before) -> None:
    cluster = await before.rows.cluster()
    await before.rows.node(cluster, "masters", 0)
    for index in (0, 1):
        await before.rows.node(cluster, "workers", index, name="c-pool-0")
    await migrate(before.url)
    database = Database(before.url, application_name="test")
    with pytest.raises(IntegrityError, match="uq_nodes_name_in_cluster"):
        async with database.transaction() as session:
            names = list(await session.execute(text("SELECT name, shares_name FROM nodes ORDER BY name")))
            assert [tuple(row) for row in names] == [
                ("c-masters-0", False), ("c-pool-0", True), ("c-pool-0", True),
            ]  # fmt: skip
            await session.execute(text("UPDATE nodes SET shares_name = false"))
    await database.close()


async def test_a_resize_that_was_draining_goes_on_to_its_end(before: Before) -> None:
    """Its nodes were chosen, and the answer to its drain is there in the sentences of the version before."""
    rows = before.rows
    cluster = await rows.cluster()
    master = await rows.node(cluster, "masters", 0)
    await rows.node(cluster, "workers", 0)
    leaving = await rows.node(cluster, "workers", 1, state="removing")
    operation = await rows.operation(
        cluster, "resize", "waiting", step="ensure_nodes_drained", groups=["workers"],
        params={"node_count": 1, "nodegroup": "workers", "nodes_to_remove": [], "rollback": False},
        follow_up={
            "kind": "resize", "uuid": "promised", "user_id": "u1", "request_id": None, "timeout": None,
            "params": {"node_count": 3, "nodegroup": "workers"},
            "wish": {"counts": {f"{cluster}-workers": 3}, "remove": []},
        },
    )  # fmt: skip
    await rows.step(operation, 0, "ensure_nodes_chosen", {"shards": [[f"{cluster}-workers", 0]], "leaving": [leaving]})
    await rows.step(operation, 1, "ensure_nodes_drained", ended=False)
    await rows.insert(
        "node_commands", id=str(uuid5(NAMESPACE_OID, f"{operation} remove-nodes {leaving}")), node_id=master,
        name="remove-nodes", args={"nodes": "c-workers-1"}, ok=True, finished_at=datetime.now(UTC),
        output="== step\nnot drained c-workers-1: a pod stays\n",
    )  # fmt: skip
    await migrate(before.url)

    heat = ScriptedHeat()
    name = shard_stack(cluster, "workers", 0)
    nodes = {f"node-{index}": {"type": "OS::Nova::Server", "properties": {}} for index in (0, 1)}
    template = {"resources": nodes, "outputs": {node: {"value": 1} for node in nodes}}
    heat.held[name] = HeldStack(name, template, [OWNED], "CREATE_COMPLETE")
    database = Database(before.url, application_name="test", pool_size=5)
    try:
        context = make_context(database, before.url, heat)
        await ensure_cluster_secrets(
            database, context.sealer, cluster_id=cluster, cluster_name="c",
            kinds={SEED_SECRET: SecretKind.BOOTSTRAP_TOKEN},
        )  # fmt: skip
        plan = ResizePlan(context)
        await walk(database, plan)
        assert await state(database, operation) == ("waiting", "update_node_stacks")
        assert heat.took() == [("update", name)]
        assert node_indexes(heat.held[name].template) == {0}
        heat.ends(name, "COMPLETE")
        await walk(database, plan)
        assert (await state(database, operation))[0] == "succeeded"
        assert (await state(database, "promised"))[0] == "queued", "what waited behind it has begun"
        async with database.transaction() as session:
            reason = await session.scalar(
                text("SELECT data ->> 'reason' FROM events WHERE type LIKE '%node.removed.v1'")
            )
            commands = await session.scalar(text("SELECT count(*) FROM node_commands"))
        assert reason == "not drained: a pod stays"
        assert commands == 1, "the drain was not given again"
    finally:
        await database.close()


async def walk(database: Database, plan: ResizePlan) -> None:
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE operations SET next_attempt_at = now() - interval '1 second' WHERE state = 'waiting'")
        )
    (claim,) = await Leases(database, [plan.kind], seconds=60).claim(5)
    await Runner(database, [plan]).execute(claim)


async def state(database: Database, operation: str) -> tuple[str, str | None]:
    async with database.transaction() as session:
        found = await session.execute(text("SELECT state, step FROM operations WHERE uuid = :u"), {"u": operation})
        row = found.one()
        return row.state, row.step


async def test_clusters_of_the_version_before_get_their_engine_and_nodegroups_their_axes(before: Before) -> None:
    cluster = await before.rows.cluster()
    await migrate(before.url)
    database = Database(before.url, application_name="test", pool_size=1)
    try:
        async with database.transaction() as session:
            given = {"uuid": cluster}
            engine = await session.scalar(text("SELECT engine FROM clusters WHERE uuid = :uuid"), given)
            axes = await session.execute(
                text("SELECT DISTINCT operating_system, hardware FROM nodegroups WHERE cluster_id = :uuid"), given
            )
            assert (engine, axes.all()) == ("kubernetes", [("ubuntu", "vm")])
            state = await read_cluster(session, cluster)
            assert {state.driver(group).name for group in state.nodegroups.values()} == {"kubernetes-ubuntu"}
    finally:
        await database.close()


async def test_clusters_keep_the_default_version_that_they_were_created_with(before: Before) -> None:
    clusters = {version: await before.rows.cluster() for version in ("v1.33.9", None)}
    connection = await asyncpg.connect(before.url.replace("+asyncpg", ""))
    await connection.execute("UPDATE clusters SET coe_version = 'v1.33.9' WHERE uuid = $1", clusters["v1.33.9"])
    await connection.close()
    await migrate(before.url)
    database = Database(before.url, application_name="test", pool_size=1)
    try:
        async with database.transaction() as session:
            kept = (await read_cluster(session, clusters["v1.33.9"])).spec.labels
            unknown = (await read_cluster(session, clusters[None])).spec.labels
    finally:
        await database.close()
    assert (kept, unknown) == ({"kube_tag": "v1.33.9"}, {})
