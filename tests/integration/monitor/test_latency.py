"""From a notification of Nova's to the committed event, over a real RabbitMQ: servers deleted, in error and rebuilt."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import select, text, update

from sandbox.rabbitmq import RabbitServer
from shared.db.engine import Database
from shared.db.models import Node
from shared.steps.shard_nodes import _take_server
from tests.support.notified_cloud import EventWatch, Watched, watched

LIMIT = 0.25
# What somebody does to a server, the notification that tells of it, and the node's loss that follows.
ROUNDS = [("delete", "instance.delete.end", "machine"), ("error", "instance.update", "machine")]
ROUNDS += [("rebuild", "instance.rebuild.end", "agent")]
ATTEMPTS = 5
# Processes that want to run, for each core: beyond this, most of what is measured is the waiting for a core.
BUSY, BUSY_LIMIT = 1.5, 5.0


@pytest.fixture
async def scene(database: Database, database_url: str, rabbit: RabbitServer) -> AsyncIterator[Watched]:
    async with watched(database, database_url, rabbit.url) as made:
        yield made


@pytest.fixture
async def watch(database_url: str) -> AsyncIterator[EventWatch]:
    watch = EventWatch(database_url)
    running = asyncio.create_task(watch.run())
    yield watch
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def deeds(scene: Watched) -> dict[str, Callable[[str], None]]:
    servers = scene.cloud.cloud.servers

    def error(server_id: str) -> None:
        row = servers.rows.rows[server_id]
        servers.rows.update(row, status="ERROR")
        servers.tell(row, "update")

    def rebuild(server_id: str) -> None:
        row = servers.rows.rows[server_id]
        servers.start_again(row, row["image"])

    return {"delete": servers.delete, "error": error, "rebuild": rebuild}


async def test_a_lost_server_is_an_event_within_a_quarter_second(
    scene: Watched, watch: EventWatch, database: Database
) -> None:
    """Other load on the machine only adds to the times, so the best of the measurements counts."""
    await scene.give_servers()
    measured: list[float] = []
    for _ in range(ATTEMPTS):
        lags = sorted([lag for deed in ROUNDS for lag in await one_round(scene, watch, database, *deed)])
        print(f"{len(lags)} notifications: median {lags[len(lags) // 2] * 1000:.0f} ms, worst {lags[-1] * 1000:.0f} ms")
        measured.append(lags[int(len(lags) * 0.99)])
        if measured[-1] < LIMIT:
            return
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    limit = BUSY_LIMIT if busy > BUSY else LIMIT
    assert min(measured) < limit, f"p99 of {ATTEMPTS} measurements, in seconds: {measured}; {busy:.1f} processes a core"


async def one_round(
    scene: Watched, watch: EventWatch, database: Database, deed: str, event_type: str, loss: str
) -> list[float]:
    """What was done to the server of each node was told of after so many seconds."""
    given = await scene.give_servers()
    watch.seen.clear()
    for number, server_id in enumerate(given.values()):
        deeds(scene)[deed](server_id)
        # Some at once, some alone.
        if number > 2:
            await asyncio.sleep(0.1)
    await watch.until(set(given))
    async with database.transaction() as session:
        rows = list(await session.scalars(select(Node)))
        words = await session.scalars(text("SELECT data->>'name' FROM events WHERE type = 'node.server.changed.v1'"))
        assert set(words) >= set(given), deed
    assert {(row.state, row.loss) for row in rows} == {("failed", loss)}, deed
    return [watch.seen[name] - scene.told[server, event_type] for name, server in given.items()]


async def test_servers_of_others_cost_no_look_and_the_node_of_one_that_was_not_built_fails(
    scene: Watched, watch: EventWatch, database: Database
) -> None:
    await scene.give_servers()
    async with database.transaction() as session:
        node = (await session.scalars(select(Node).order_by(Node.name))).first()
        assert node is not None
        await session.execute(text("UPDATE clusters SET look_at = NULL, looked_at = NULL"))
        await session.execute(
            update(Node).where(Node.uuid == node.uuid).values(state="creating", server_id=None, announced_at=None)
        )
        await session.execute(
            text(
                "INSERT INTO operations (uuid, cluster_id, cluster_name, project_id, user_id, kind, state) "
                "VALUES ('o1', :cluster, 'c', :project, 'u1', 'resize', 'waiting')"
            ),
            {"cluster": node.cluster_id, "project": scene.project_id},
        )
    stranger = Node(name="stranger", uuid="n", cluster_id="c")
    for _ in range(20):
        scene.cloud.cloud.servers.delete(scene.make_server(stranger))
    server_id = scene.make_server(node, "m1.impossible")
    await watch.until({node.name})
    lag = watch.seen[node.name] - scene.told[server_id, "compute_task.build_instances.error"]
    print(f"no valid host: {lag * 1000:.0f} ms")
    assert watch.seen.keys() == {node.name}
    async with database.transaction() as session:
        failed = (await session.scalars(select(Node).where(Node.uuid == node.uuid))).one()
        assert failed.state == "failed"
        assert "No valid host was found" in (failed.reason or "")
        assert await session.scalar(text("SELECT look_at FROM clusters")) is None
    # Heat has tried again, and it is the stack's now.
    async with database.transaction() as session:
        spec = next(one for one in (await scene.stage.context.cluster(scene.stage.view)).nodes if one.uuid == node.uuid)
        await _take_server(session, spec, "another", {"ip_address": "10.0.0.9"})
    async with database.transaction() as session:
        built = (await session.scalars(select(Node).where(Node.uuid == node.uuid))).one()
        assert (built.state, built.reason, built.server_id) == ("creating", None, "another")


async def test_a_router_that_somebody_deletes_is_an_event(scene: Watched, database: Database) -> None:
    cluster = scene.stage.view.cluster_id
    neutron = scene.cloud.cloud.neutron
    for number in range(2):
        made = neutron.routers.create(scene.project_id, {"name": f"jeroboam-{cluster}"})
        neutron.routers.delete(made["id"])
        scene_tell(scene, made)
        async with asyncio.timeout(10):
            while len(found := await deleted(database)) <= number:
                await asyncio.sleep(0.02)
        assert found[number] == {"kind": "router", "id": made["id"], "name": f"jeroboam-{cluster}", "node": None}


def scene_tell(scene: Watched, row: dict[str, object]) -> None:
    from sandbox.openstack.notifications import resource_told

    assert scene.cloud.cloud.notifications
    scene.cloud.cloud.notifications(resource_told("router", "delete", row))


async def deleted(database: Database) -> list[object]:
    async with database.transaction() as session:
        return list(
            await session.scalars(text("SELECT data FROM events WHERE type = 'resource.deleted.v1' ORDER BY seq"))
        )
