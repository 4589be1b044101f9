"""What is left in the cloud of clusters that are gone is found, told of, and removed if that is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from services.monitor.orphans import Sweeper
from shared.cloud.settings import CloudSettings
from shared.cloud.types import InventoryItem
from shared.db.engine import Database
from shared.db.models import Event, Orphan
from shared.domain.errors import TemporaryError
from shared.domain.ids import new_id
from shared.pki.sealing import new_key
from shared.settings import Settings
from tests.support.rows import make_creating


class Project:
    """The cloud of one project."""

    def __init__(self) -> None:
        self.items: list[InventoryItem] = []
        self.busy: set[str] = set()
        self.asked = 0
        self.removed: list[str] = []

    def for_project(self, _project: str) -> Project:
        return self

    async def owned_items(self) -> list[InventoryItem]:
        self.asked += 1
        return list(self.items)

    async def delete_leftover(self, item: InventoryItem) -> None:
        if item.id in self.busy:
            raise TemporaryError(f"{item.id} is in use")
        self.items.remove(item)
        self.removed.append(item.id)


async def made(database: Database, *, deleted: bool) -> tuple[str, str]:
    """A cluster with an operation; returns its uuid and project."""
    async with database.transaction() as session:
        cluster, _ = await make_creating(session)
    if deleted:
        async with database.transaction() as session:
            await session.execute(text("DELETE FROM clusters WHERE uuid = :uuid"), {"uuid": cluster.uuid})
    return cluster.uuid, cluster.project_id


def sweeper(database: Database, project: Project, database_url: str, **settings: Any) -> Sweeper:
    cloud = CloudSettings(auth_url="http://keystone.test/v3", username="j", password=SecretStr("x"))
    known: dict[str, Any] = {
        "database_url": SecretStr(database_url),
        "secret_keys": [SecretStr(new_key())],
        "cloud": cloud,
    }
    found: Any = project
    return Sweeper(database, found, Settings(**(known | settings)))


async def orphans(database: Database) -> dict[str, Orphan]:
    async with database.transaction() as session:
        return {row.item_id: row for row in await session.scalars(select(Orphan))}


async def told(database: Database) -> list[tuple[str, str]]:
    async with database.transaction() as session:
        rows = await session.scalars(select(Event).where(Event.type.like("%orphan%")).order_by(Event.seq))
        return [(row.type.split(".")[-2], row.data["id"]) for row in rows]


async def due_again(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("UPDATE project_sweeps SET sweep_at = now()"))


@pytest.fixture
def project() -> Project:
    return Project()


async def test_it_is_found_once_and_forgotten_when_it_has_gone(
    database: Database, database_url: str, project: Project
) -> None:
    cluster, _ = await made(database, deleted=True)
    network = InventoryItem("network", "n1", f"jeroboam-{cluster}-net", cluster)
    project.items = [network]
    search = sweeper(database, project, database_url)
    assert await search.sweep_due() == 1
    assert await search.sweep_due() == 0, "its time has not come again"
    await due_again(database)
    await search.sweep_due()
    assert await told(database) == [("found", "n1")]
    assert (await orphans(database))["n1"].cluster_id == cluster
    assert project.removed == [], "nothing is removed unasked"
    project.items = []
    await due_again(database)
    await search.sweep_due()
    assert await orphans(database) == {}


async def test_what_belongs_to_a_cluster_or_to_another_jeroboam_is_left_alone(
    database: Database, database_url: str, project: Project
) -> None:
    living, _ = await made(database, deleted=False)
    await made(database, deleted=True)
    project.items = [InventoryItem("network", "n1", "", living), InventoryItem("server", "s1", "", new_id())]
    await sweeper(database, project, database_url, orphans_remove_after_minutes=0).sweep_due()
    assert (await orphans(database), project.removed) == ({}, [])


async def test_a_project_that_has_lost_no_cluster_is_not_searched(
    database: Database, database_url: str, project: Project
) -> None:
    await made(database, deleted=False)
    await sweeper(database, project, database_url).sweep_due()
    assert project.asked == 0


async def test_they_are_removed_in_order_after_the_time_that_the_operator_set(
    database: Database, database_url: str, project: Project
) -> None:
    cluster, _ = await made(database, deleted=True)
    project.items = [InventoryItem(kind, kind, "", cluster) for kind in ("network", "port", "stack", "router")]
    search = sweeper(database, project, database_url, orphans_remove_after_minutes=30)
    await search.sweep_due()
    assert project.removed == []
    async with database.transaction() as session:
        await session.execute(text("UPDATE orphans SET found_at = now() - interval '31 minutes'"))
    await due_again(database)
    await search.sweep_due()
    assert project.removed == ["stack", "router", "port", "network"]
    assert [name for name in await told(database) if name[0] == "removed"] == [
        ("removed", each) for each in project.removed
    ]


async def test_what_is_in_use_is_tried_again_and_says_why(
    database: Database, database_url: str, project: Project
) -> None:
    cluster, _ = await made(database, deleted=True)
    project.items, project.busy = [InventoryItem("network", "n1", "", cluster)], {"n1"}
    search = sweeper(database, project, database_url, orphans_remove_after_minutes=0)
    await search.sweep_due()
    assert (await orphans(database))["n1"].failure == "n1 is in use"
    project.busy = set()
    await due_again(database)
    await search.sweep_due()
    assert (project.removed, await orphans(database)) == (["n1"], {})


async def test_a_cloud_that_does_not_answer_delays_only_its_project(
    database: Database, database_url: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(database, deleted=True)

    async def silent() -> list[InventoryItem]:
        raise TemporaryError("no answer")

    monkeypatch.setattr(project, "owned_items", silent)
    assert await sweeper(database, project, database_url).sweep_due() == 1
