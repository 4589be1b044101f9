"""Nova's words about servers become events, once, and change nothing about nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, text, update

from services.monitor.openstack import OpenStackEvents
from shared.bus.oslo import Notification
from shared.db.engine import Database
from shared.db.models import Cluster, Event, Node
from tests.support.scaler_stage import Stage, make_stage
from tests.support.scripted_nova import ScriptedNova

SELECT_NODES = text("SELECT xmin::text, uuid FROM nodes ORDER BY uuid")


@pytest.fixture
async def stage(database: Database, database_url: str) -> AsyncIterator[Stage]:
    yield await make_stage(database, database_url, ScriptedNova())


def says(number: int, server_id: str, event: str, **data: Any) -> Notification:
    payload = {"nova_object.data": {"uuid": server_id, "state": "active"} | data}
    return Notification(f"m{number}", event, payload)


async def told(database: Database) -> list[tuple[str, str, bool, str | None]]:
    async with database.transaction() as session:
        rows = await session.scalars(
            select(Event.data).where(Event.type == "node.server.changed.v1").order_by(Event.seq)
        )
        return [(data["name"], data["change"], data["failed"], data["server_state"]) for data in rows]


async def test_each_notification_is_one_event_and_no_node_changes(stage: Stage, database: Database) -> None:
    nodes = await stage.nodes()
    servers = {name: node.server_id or "" for name, node in nodes.items()}
    async with database.transaction() as session:
        before = [tuple(row) for row in await session.execute(SELECT_NODES)]
    events = OpenStackEvents(database)
    states = {"nova_object.data": {"old_state": "active", "state": "error"}}
    batch = [
        says(1, servers["worker-0"], "instance.rebuild.end"),
        says(2, servers["worker-1"], "instance.update", state_update=states),
        says(3, servers["worker-0"], "instance.delete.end", state="deleted"),
        says(4, "a stranger's", "instance.delete.end"),
    ]
    await events(batch)
    await events(batch)  # the broker may deliver them again
    assert await told(database) == [
        (nodes["worker-0"].name, "rebuild", False, "active"),
        (nodes["worker-1"].name, "update", True, "error"),
        (nodes["worker-0"].name, "delete", False, "deleted"),
    ]
    async with database.transaction() as session:
        assert [tuple(row) for row in await session.execute(SELECT_NODES)] == before


async def test_what_is_deleted_on_purpose_is_not_told(stage: Stage, database: Database) -> None:
    nodes = await stage.nodes()
    gone, kept = nodes["worker-0"], nodes["worker-1"]
    async with database.transaction() as session:
        await session.execute(update(Node).where(Node.uuid == gone.uuid).values(state="removing"))
    events = OpenStackEvents(database)
    await events([says(1, gone.server_id or "", "instance.delete.end")])
    assert await told(database) == []
    async with database.transaction() as session:
        await session.execute(update(Cluster).values(status="DELETE_IN_PROGRESS"))
    await events([says(2, kept.server_id or "", "instance.delete.end")])
    assert await told(database) == []
