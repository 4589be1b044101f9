"""The rotation's plan against real rows: what agents answer is written by the test, and it fetches what they would."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from jeroboam.driver import SecretKind
from services.upgrader.plan import RotateCaPlan
from shared.db.engine import Database
from shared.db.models import Cluster, ClusterSecret, Event, Node, NodeCommand, Nodegroup, Operation
from shared.domain.ids import new_id
from shared.domain.states import NodeState, OperationKind
from shared.operations.leases import Leases
from shared.operations.locks import lock_cluster
from shared.operations.node_tokens import SEED_SECRET, TokenSeeds, load_token_seeds, node_token
from shared.operations.nodes import add_nodes
from shared.operations.requests import retry_operation
from shared.operations.runner import Runner
from shared.operations.start import start_operation
from shared.pki import cluster_secrets
from shared.pki.rotation import blocks
from shared.pki.sealing import Sealer, new_key
from shared.settings import Settings
from shared.steps.context import StepContext
from tests.support.kubernetes import engine
from tests.support.rows import make_cluster

ROTATED = ("kubernetes", "etcd", "front_proxy", "service_account")


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([SecretStr(new_key())])


@pytest.fixture
def plan(database: Database, sealer: Sealer) -> RotateCaPlan:
    settings = Settings.model_construct(node_command_timeout_minutes=70)
    nothing = cast(Any, None)  # it has no business with the cloud, and is given none
    return RotateCaPlan(StepContext(settings, database, nothing, nothing, sealer))


async def begin(database: Database, sealer: Sealer, *, masters: int = 3, workers: int = 12) -> str:
    """A cluster with its keys; returns its uuid."""
    async with database.transaction() as session:
        cluster = await make_cluster(session)
        group = Nodegroup(
            uuid=new_id(), cluster_id=cluster.uuid, project_id="p1", name="default-worker", role="worker",
            is_default=True, flavor_id="m1", image_id="ubuntu", operating_system="ubuntu", hardware="vm",
            node_count=workers, status="CREATE_COMPLETE",
        )  # fmt: skip
        session.add(group)
        await session.flush()
        first = (await session.scalars(select(Nodegroup).where(Nodegroup.name == "default-master"))).one()
        for each, count in ((first, masters), (group, workers)):
            for node in await add_nodes(session, cluster, each, count, 50):
                node.state = NodeState.JOINED
        uuid = cluster.uuid
    await cluster_secrets.ensure_cluster_secrets(
        database,
        sealer,
        cluster_id=uuid,
        cluster_name="c",
        kinds={**engine.secrets, SEED_SECRET: SecretKind.BOOTSTRAP_TOKEN},
    )
    return uuid


async def ask(database: Database, cluster_id: str) -> str:
    async with database.transaction() as session:
        cluster = await lock_cluster(session, cluster_id)
        assert cluster is not None
        operation = await start_operation(
            session, cluster=cluster, kind=OperationKind.ROTATE_CA, user_id="u1", request_id=None, params=None,
            timeout=None,
        )  # fmt: skip
        return operation.uuid


async def walk(database: Database, plan: RotateCaPlan) -> None:
    async with database.transaction() as session:
        await session.execute(text("UPDATE operations SET next_attempt_at = now() WHERE state = 'waiting'"))
    for claim in await Leases(database, [plan.kind], seconds=60).claim(5):
        await Runner(database, [plan]).execute(claim)


async def asked(database: Database) -> list[tuple[str, str]]:
    """Unanswered commands: on which node, what."""
    async with database.transaction() as session:
        names = {row.uuid: row.name.split("-", 2)[2] for row in await session.scalars(select(Node))}
        rows = await session.scalars(select(NodeCommand).where(NodeCommand.finished_at.is_(None)))
        return sorted((names[row.node_id], " ".join([row.name, *map(str, row.args.values())])) for row in rows)


async def answer(
    database: Database, *, node: str = "", ok: bool = True, output: str = "", results: dict[str, str] | None = None
) -> None:
    async with database.transaction() as session:
        names = {row.uuid: row.name for row in await session.scalars(select(Node))}
        rows = await session.scalars(select(NodeCommand).where(NodeCommand.finished_at.is_(None)).with_for_update())
        for row in rows:
            if names[row.node_id].endswith(node):
                row.finished_at, row.ok, row.output, row.results = datetime.now(UTC), ok, output, results or {}


async def state(database: Database, operation: str) -> tuple[str, str]:
    """The operation's state and its step."""
    async with database.transaction() as session:
        found = (await session.execute(select(Operation).where(Operation.uuid == operation))).scalar_one()
        return found.state, found.step or ""


async def trusted(database: Database, sealer: Sealer, cluster_id: str) -> dict[str, tuple[list[str], str]]:
    """Authority or key pair -> what a node that asks now is to accept, and the key that signs."""
    async with database.transaction() as session:
        found = await cluster_secrets.load_cluster_secrets(session, sealer, cluster_id)
    return {name: (blocks(found[name].certificate or ""), found[name].secret) for name in ROTATED}


async def test_no_node_is_shown_what_another_was_not_told_of(
    database: Database, plan: RotateCaPlan, sealer: Sealer
) -> None:
    cluster = await begin(database, sealer)
    old = await trusted(database, sealer, cluster)
    operation = await ask(database, cluster)
    # Node -> what it trusts (the Kubernetes authority), first the one that signed for it.
    has: dict[str, list[str]] = {}
    # Master -> the keys of service accounts whose tokens it accepts, first the one with which it signs.
    accepts: dict[str, list[str]] = {}
    rounds: dict[str, list[list[str]]] = {}
    for _ in range(100):
        await walk(database, plan)
        now, step = await state(database, operation)
        if now != "waiting":
            break
        given = await asked(database)
        if not rounds.get(step) or rounds[step][-1] != [node for node, _ in given]:
            rounds.setdefault(step, []).append([node for node, _ in given])
        rows = await trusted(database, sealer, cluster)
        bundle, keys = rows["kubernetes"][0], rows["service_account"][0]
        for node, what in given:
            if what == "bootstrap certificates":
                has[node] = bundle
                if "master" in node:
                    accepts[node] = keys
            else:
                assert {pair[0] for pair in accepts.values()} == {keys[0]} != {old["service_account"][0][0]}, (
                    "pods that are started now get a token of the new key from every master"
                )
        signers = {trusts[0] for trusts in has.values()} | ({old["kubernetes"][0][0]} if len(has) < 15 else set())
        assert all(signer in trusts for trusts in has.values() for signer in signers)
        signs = {pair[0] for pair in accepts.values()} | (set(old["service_account"][0]) if len(accepts) < 3 else set())
        assert all(key in pair for pair in accepts.values() for key in signs)
        await answer(database)
    assert now == "succeeded"
    assert list(rounds) == [
        "trust_both", "replace_key_pairs", "restart_workloads", "sign_with_new", "remove_old_authorities",
    ]  # fmt: skip
    assert rounds["replace_key_pairs"] == [[f"default-master-{number}"] for number in range(3)]
    for step in ("trust_both", "sign_with_new", "remove_old_authorities"):
        assert rounds[step][:3] == [[f"default-master-{number}"] for number in range(3)]
        assert sum(len(batch) for batch in rounds[step][3:]) == 12
        assert max(len(batch) for batch in rounds[step]) == 1, "a tenth of twelve"
    new = await trusted(database, sealer, cluster)
    for name in ROTATED:
        assert len(new[name][0]) == 1
        assert new[name][0] != old[name][0]
        assert new[name][1] != old[name][1]
    async with database.transaction() as session:
        kinds = set(await session.scalars(select(ClusterSecret.kind)))
        shown = (await session.scalars(select(Cluster))).one()
    assert kinds == {*engine.secrets, SEED_SECRET}, "nothing is left waiting"
    assert shown.status == "UPDATE_COMPLETE"


async def test_what_does_not_come_back_is_named_and_holds_up_nothing(
    database: Database, plan: RotateCaPlan, sealer: Sealer
) -> None:
    cluster = await begin(database, sealer, masters=1, workers=0)
    operation = await ask(database, cluster)
    for _ in range(2):
        await walk(database, plan)
        await answer(database)
    await walk(database, plan)
    assert await asked(database) == [("default-master-0", "restart-workloads 900")]
    await answer(database, results={"not_restarted.deployments/shop/broken": "timed out"})
    for _ in range(6):
        await walk(database, plan)
        await answer(database)
    assert (await state(database, operation))[0] == "succeeded"
    async with database.transaction() as session:
        found = await session.execute(text("SELECT output FROM operation_steps WHERE name = 'restart_workloads'"))
        assert found.scalar_one() == {"not_restarted": {"deployments/shop/broken": "timed out"}}
        shown = (await session.scalars(select(Cluster))).one()
        assert shown.status == "UPDATE_COMPLETE"
        assert (shown.status_reason or "").endswith("restarted: deployments/shop/broken: timed out")


async def test_the_moment_old_client_configurations_end_is_an_event(
    database: Database, plan: RotateCaPlan, sealer: Sealer
) -> None:
    cluster = await begin(database, sealer, masters=2, workers=1)
    operation = await ask(database, cluster)
    told: list[tuple[str, bool]] = []  # what was told, and whether the new authorities sign by then
    old = (await trusted(database, sealer, cluster))["kubernetes"][0][0]
    for _ in range(14):
        await walk(database, plan)
        signs = (await trusted(database, sealer, cluster))["kubernetes"][0][0] != old
        async with database.transaction() as session:
            rows = await session.scalars(select(Event).where(Event.data["reason"].astext.contains("download them")))
            told = told or [(row.data["step"], signs) for row in rows]
            assert len(told) == signs
        await answer(database)
    assert (await state(database, operation))[0] == "succeeded"
    assert told == [("sign_with_new", True)]


async def test_a_node_that_fails_stops_it_and_a_retry_goes_on(
    database: Database, plan: RotateCaPlan, sealer: Sealer
) -> None:
    cluster = await begin(database, sealer, masters=1, workers=2)
    operation = await ask(database, cluster)
    await walk(database, plan)
    await answer(database)
    await walk(database, plan)
    before = await trusted(database, sealer, cluster)
    await answer(database, ok=False, output="jeroboam: kubelet does not start")
    await walk(database, plan)
    assert (await state(database, operation))[0] == "failed"
    assert await asked(database) == [], "nobody else is begun"
    async with database.transaction() as session:
        reason = (await session.scalars(select(Cluster))).one().status_reason or ""
        assert "default-worker-0: bootstrap failed: jeroboam: kubelet does not start" in reason
        locked = await lock_cluster(session, cluster)
        assert locked is not None
        row = (await session.execute(select(Operation).where(Operation.uuid == operation))).scalar_one()
        await retry_operation(session, row, locked, request_id=None, timeout=None)
    for _ in range(40):
        await walk(database, plan)
        if (await state(database, operation))[0] != "waiting":
            break
        await answer(database)
    assert (await state(database, operation))[0] == "succeeded"
    after = await trusted(database, sealer, cluster)
    assert all(after[name][0] == before[name][0][1:] for name in ROTATED), "the successors made at first"


@pytest.mark.parametrize("answered", range(1, 10))
async def test_the_next_rotation_finishes_one_that_was_broken_off(
    database: Database, plan: RotateCaPlan, sealer: Sealer, answered: int
) -> None:
    cluster = await begin(database, sealer, masters=1, workers=1)
    old = await trusted(database, sealer, cluster)
    first = await ask(database, cluster)
    for _ in range(answered):
        await walk(database, plan)
        await answer(database)
    await walk(database, plan)
    await answer(database, ok=False, output="broken")
    await walk(database, plan)
    ended = (await state(database, first))[0]
    if ended == "succeeded":  # all eight commands were answered before
        assert answered >= 8
        return
    assert ended == "failed"
    second = await ask(database, cluster)
    for _ in range(40):
        await walk(database, plan)
        if (await state(database, second))[0] != "waiting":
            break
        await answer(database)
    assert (await state(database, second))[0] == "succeeded"
    now = await trusted(database, sealer, cluster)
    assert all(len(now[name][0]) == 1 and now[name] != old[name] for name in ROTATED)


async def test_nodes_that_are_created_later_have_tokens_of_another_seed(
    database: Database, plan: RotateCaPlan, sealer: Sealer
) -> None:
    cluster = await begin(database, sealer, masters=1, workers=1)

    async def seeds() -> TokenSeeds:
        async with database.transaction() as session:
            found = await load_token_seeds(session, sealer, cluster)
        assert found is not None
        return found

    async def rotate() -> None:
        operation = await ask(database, cluster)
        for _ in range(40):
            await walk(database, plan)
            if (await state(database, operation))[0] != "waiting":
                break
            await answer(database)
        assert (await state(database, operation))[0] == "succeeded"

    async with database.transaction() as session:
        node = (await session.scalars(select(Node).where(Node.role == "worker"))).one()
    first = await seeds()
    await rotate()
    second = await seeds()
    assert second.current != first.current
    assert second.token(node.uuid, node.created_at) == node_token(first.current, node.uuid), "it may be rebuilt"
    assert second.token(node.uuid, datetime.now(UTC)) == node_token(second.current, node.uuid)
    await rotate()
    third = await seeds()
    assert [seed for _, seed in third.former] == [first.current], "no node was created with the second one"
    assert third.token(node.uuid, node.created_at) == node_token(first.current, node.uuid)
    async with database.transaction() as session:
        await session.execute(text("UPDATE nodes SET created_at = now()"))
    await rotate()
    assert [seed for _, seed in (await seeds()).former] == [third.current], "nodes of the first one are gone"


async def test_a_cluster_of_an_earlier_version_keeps_its_passwords(
    database: Database, plan: RotateCaPlan, sealer: Sealer
) -> None:
    """They were derived from the service accounts' key, and masters that share an address must agree on theirs."""
    cluster = await begin(database, sealer, masters=1, workers=0)

    async def password() -> str:
        async with database.transaction() as session:
            opened = await cluster_secrets.load_cluster_secrets(session, sealer, cluster)
        return cluster_secrets.secrets_of_engine(engine, opened)["passwords"].secret

    async with database.transaction() as session:
        await session.execute(text("DELETE FROM cluster_secrets WHERE kind = 'passwords'"))
        sealed = cluster_secrets.seal_secret(sealer, cluster, "bootstrap_token", "abcdef.0123456789abcdef")
        session.add(ClusterSecret(cluster_id=cluster, kind="bootstrap_token", secret=sealed))
    before = await password()
    assert before == (await trusted(database, sealer, cluster))["service_account"][1]
    operation = await ask(database, cluster)
    for _ in range(20):
        await walk(database, plan)
        await answer(database)
    assert (await state(database, operation))[0] == "succeeded"
    assert await password() == before
    assert before != (await trusted(database, sealer, cluster))["service_account"][1]
    async with database.transaction() as session:
        assert set(await session.scalars(select(ClusterSecret.kind))) == {*engine.secrets, SEED_SECRET}


async def test_without_a_master_it_says_so(database: Database, plan: RotateCaPlan, sealer: Sealer) -> None:
    cluster = await begin(database, sealer, masters=0, workers=1)
    operation = await ask(database, cluster)
    await walk(database, plan)
    assert (await state(database, operation))[0] == "failed"
    async with database.transaction() as session:
        assert (await session.scalars(select(Cluster))).one().status_reason == "the cluster has no working master"
