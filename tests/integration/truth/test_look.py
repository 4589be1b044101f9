"""A look at Nova, on rows: what it asks, what it writes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from services.monitor.health import measure_due
from services.monitor.looks import Looks
from services.monitor.openstack import OpenStackEvents
from services.monitor.silence import mark_silent
from shared.bus.oslo import Notification
from shared.cloud.types import Server, Stack
from shared.db.engine import Database
from shared.db.models import Cluster, ClusterSecret, Event, Node
from shared.operations.node_tokens import SEED_SECRET, hash_token, node_token
from shared.pki.cluster_secrets import seal_secret
from tests.support.scaler_stage import Stage, make_stage
from tests.support.scripted_nova import ScriptedNova

LAUNCHED = datetime.now(UTC) - timedelta(hours=1)
SEED = "seed"


class Scene:
    """A cluster of three masters and five workers that Nova and we agree about."""

    def __init__(self, database: Database, stage: Stage, nova: ScriptedNova) -> None:
        self.database, self.stage, self.nova = database, stage, nova
        self.cluster_id = stage.view.cluster_id
        clouds: Any = nova
        self.looks = Looks(database, clouds, stage.context.sealer)

    async def look(self) -> int:
        async with self.database.transaction() as session:
            await session.execute(update(Cluster).values(look_at=func.now()))
        return await self.looks.look_due()

    async def node(self, name: str) -> Node:
        return (await self.stage.nodes())[name]

    async def cluster(self) -> Cluster:
        async with self.database.transaction() as session:
            return (await session.scalars(select(Cluster))).one()

    async def measured(self) -> Cluster:
        async with self.database.transaction() as session:
            await session.execute(update(Cluster).values(measure_at=func.now()))
        await measure_due(self.database, self.stage.context.settings)
        return await self.cluster()

    async def versions(self) -> list[Any]:
        """The versions of all rows of nodes and clusters: they change with every write."""
        async with self.database.transaction() as session:
            rows = await session.execute(text("SELECT xmin::text, uuid FROM nodes ORDER BY uuid"))
            return [tuple(row) for row in rows]

    async def says(self, event_type: str, **payload: Any) -> bool:
        """Whether a notification causes a look."""
        async with self.database.transaction() as session:
            await session.execute(update(Cluster).values(look_at=None))
        await OpenStackEvents(self.database)([Notification("m1", event_type, payload)])
        return (await self.cluster()).look_at is not None


@pytest.fixture
async def scene(database: Database, database_url: str) -> AsyncIterator[Scene]:
    nova = ScriptedNova()
    stage = await make_stage(database, database_url, nova)
    async with database.transaction() as session:
        cluster = (await session.scalars(select(Cluster))).one()
        sealed = seal_secret(stage.context.sealer, cluster.uuid, SEED_SECRET, SEED)
        session.add(ClusterSecret(cluster_id=cluster.uuid, kind=SEED_SECRET, secret=sealed))
        for node in await session.scalars(select(Node)):
            node.joined_at = node.announced_at = node.last_report_at = LAUNCHED + timedelta(minutes=2)
            node.health, node.launched_at, node.server_status = {"healthy": True}, LAUNCHED, "ACTIVE"
            nova.servers[node.server_id or ""] = Server(
                node.server_id or "", node.name, "ACTIVE", launched_at=LAUNCHED, metadata={"jeroboam_node": node.uuid}
            )
    yield Scene(database, stage, nova)


async def test_a_look_without_news_is_one_call_and_no_write(scene: Scene) -> None:
    before = await scene.versions()
    assert await scene.look() == 0
    assert scene.nova.asked == ["list"]
    assert await scene.versions() == before
    assert (await scene.cluster()).look_at is None


async def test_what_is_not_listed_is_asked_for_before_it_is_believed(scene: Scene) -> None:
    server = (await scene.node("worker-1")).server_id or ""
    scene.nova.unlisted.add(server)
    assert await scene.look() == 0
    assert scene.nova.asked == ["list", f"show {server}"]
    del scene.nova.servers[server]
    assert await scene.look() == 1
    lost = await scene.node("worker-1")
    assert (lost.state, lost.loss, lost.reason) == ("failed", "machine", f"server {server} does not exist any more")
    assert await scene.stage.events("node.failed.v1") == ["1"]
    assert await scene.look() == 0
    assert await scene.stage.events("node.failed.v1") == ["1"]


async def test_a_nova_that_does_not_answer_changes_nothing_and_is_asked_again(scene: Scene) -> None:
    before = await scene.versions()
    scene.nova.away = True
    assert await scene.look() == 0
    assert await scene.versions() == before
    assert (await scene.cluster()).look_at is not None


async def test_a_server_that_heat_has_replaced_takes_its_place(scene: Scene) -> None:
    node = await scene.node("worker-2")
    old = scene.nova.servers.pop(node.server_id or "")
    new = replace(old, id="new", launched_at=datetime.now(UTC))
    scene.nova.servers["new"] = new
    # Its metadata alone says nothing: Heat has to hold it.
    assert await scene.look() == 1
    assert (await scene.node("worker-2")).loss == "machine"
    output = {"server_id": "new", "ip_address": "10.0.0.99", "floating_ip": None}
    scene.nova.stacks = [Stack("st1", "shard", "UPDATE_COMPLETE", outputs={"node-2": output})]
    assert await scene.look() == 1
    found = await scene.node("worker-2")
    assert (found.server_id, found.ip_address, found.loss) == ("new", "10.0.0.99", "agent")
    assert found.token_hash == hash_token(node_token(SEED, found.uuid))
    assert (
        found.reason
        == f"server {node.server_id} was replaced by server new; it counts again when its agent has reported"
    )


async def test_a_rebuilt_worker_gets_its_token_back_and_a_rebuilt_master_does_not(scene: Scene) -> None:
    for name in ("worker-0", "master-1"):
        server = scene.nova.servers[(await scene.node(name)).server_id or ""]
        scene.nova.servers[server.id] = replace(server, launched_at=datetime.now(UTC))
    assert await scene.look() == 2
    worker, master = await scene.node("worker-0"), await scene.node("master-1")
    assert worker.token_hash == hash_token(node_token(SEED, worker.uuid))
    assert (worker.state, worker.loss, master.state, master.loss) == ("failed", "agent", "failed", "agent")
    assert master.token_hash is None
    assert master.reason is not None
    assert "its member of etcd is lost" in master.reason


async def test_a_lost_master_says_what_to_do_and_is_never_removed(scene: Scene) -> None:
    del scene.nova.servers[(await scene.node("master-0")).server_id or ""]
    await scene.look()
    master = await scene.node("master-0")
    assert "masters are not replaced" in (master.reason or "")
    await scene.stage.chosen(5)
    assert (await scene.node("master-0")).state == "failed"


async def test_the_health_follows_and_is_written_once(scene: Scene) -> None:
    async with scene.database.transaction() as session:
        await session.execute(update(Node).values(last_report_at=func.now()))
    assert (await scene.measured()).health_status == "HEALTHY"
    server = (await scene.node("worker-1")).server_id or ""
    scene.nova.servers[server] = replace(scene.nova.servers[server], status="SHUTOFF")
    await scene.look()
    cluster = await scene.measured()
    name = (await scene.node("worker-1")).name
    assert (cluster.health_status, cluster.health_status_reason[f"{name}.Ready"]) == ("UNHEALTHY", "False")
    await scene.measured()
    async with scene.database.transaction() as session:
        told = list(await session.scalars(select(Event).where(Event.type == "cluster.health.changed.v1")))
    assert [(event.data["old_status"], event.data["status"]) for event in told] == [
        (None, "HEALTHY"), ("HEALTHY", "UNHEALTHY"),
    ]  # fmt: skip
    assert told[1].data["reasons"] == {f"{name}.Ready": "False"}
    # A machine that is stopped is looked at again later.
    assert cluster.look_at is not None


async def test_silent_nodes_are_found_once_and_nothing_is_written_while_all_report(scene: Scene) -> None:
    async with scene.database.transaction() as session:
        await session.execute(update(Node).values(last_report_at=func.now()))
        await session.execute(update(Cluster).values(look_at=None, measure_at=None))
    before = await scene.versions()
    assert await mark_silent(scene.database, 60) == 0
    assert await scene.versions() == before
    await scene.stage.set("worker-3", last_report_at=datetime.now(UTC) - timedelta(seconds=181))
    assert await mark_silent(scene.database, 60) == 1
    assert await mark_silent(scene.database, 60) == 0
    cluster = await scene.cluster()
    assert cluster.look_at is not None
    assert cluster.measure_at is not None


async def test_when_nobody_reports_the_health_is_unknown(scene: Scene) -> None:
    assert (await scene.measured()).health_status == "UNKNOWN"


async def test_novas_notifications_cause_a_look_at_the_cluster_of_the_server(scene: Scene) -> None:
    server = (await scene.node("worker-1")).server_id
    assert await scene.says("compute.instance.delete.end", instance_id=server, state="deleted")
    assert await scene.says("instance.rebuild.end", **{"nova_object.data": {"uuid": server}})
    assert not await scene.says("compute.instance.delete.end", instance_id="of somebody else")
    assert not await scene.says("compute.instance.delete.start", instance_id=server)
    await scene.stage.set("worker-1", state="removing")
    assert not await scene.says("compute.instance.delete.end", instance_id=server)


async def test_a_storm_of_notifications_is_one_look_in_ten_seconds(scene: Scene) -> None:
    await scene.look()
    server = (await scene.node("worker-1")).server_id
    assert await scene.says("instance.rebuild.end", **{"nova_object.data": {"uuid": server}})
    cluster = await scene.cluster()
    assert cluster.looked_at is not None
    assert cluster.look_at is not None
    assert cluster.look_at - cluster.looked_at == timedelta(seconds=10)


async def test_after_a_reconnection_every_cluster_is_looked_at_within_minutes(scene: Scene) -> None:
    async with scene.database.transaction() as session:
        await session.execute(update(Cluster).values(look_at=None))
    await scene.looks.look_at_all()
    look_at = (await scene.cluster()).look_at
    assert look_at is not None
    assert look_at <= datetime.now(UTC) + timedelta(minutes=10)
