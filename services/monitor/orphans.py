"""Finds resources in the cloud whose cluster was deleted, and removes them if the operator wants that.

Rule: only a resource with the mark of a cluster that this database remembers, and that is gone, is an orphan. Marks of
clusters it has never had may be those of another Jeroboam in the same cloud.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.cloud.contract import Cloud, CloudFactory
from shared.cloud.leftovers import KINDS
from shared.cloud.types import InventoryItem
from shared.db.engine import Database
from shared.db.models import Orphan, ProjectSweep
from shared.events.catalog import OrphanFound
from shared.events.log import emit
from shared.settings import Settings
from shared.telemetry.metrics import ORPHANS

log = structlog.get_logger(__name__)
LOOK_SECONDS = 10.0
_BATCH = 20
_REMOVALS = 50  # of one project in one sweep
_ORDER = list(KINDS)

_NEW_PROJECTS = text("""
INSERT INTO project_sweeps (project_id) SELECT DISTINCT project_id FROM operations ON CONFLICT DO NOTHING
""")
_CLAIM = text("""
UPDATE project_sweeps SET sweep_at = now() + make_interval(secs => :seconds) WHERE project_id IN (
    SELECT project_id FROM project_sweeps WHERE sweep_at <= now() ORDER BY sweep_at LIMIT :batch
    FOR UPDATE SKIP LOCKED)
RETURNING project_id
""")
_DELETED_CLUSTERS = text("""
SELECT DISTINCT cluster_id FROM operations o
WHERE project_id = :project AND NOT EXISTS (SELECT FROM clusters c WHERE c.uuid = o.cluster_id)
""")


class Sweeper:
    """Args:
    database: knows which clusters there were and are.
    clouds: to search their projects.
    settings: how often, and after which time orphans are removed.
    """

    def __init__(self, database: Database, clouds: CloudFactory, settings: Settings) -> None:
        self._database = database
        self._clouds = clouds
        self._every = timedelta(minutes=settings.sweep_minutes)
        minutes = settings.orphans_remove_after_minutes
        self._grace = None if minutes is None else timedelta(minutes=minutes)

    async def watch(self) -> None:
        """Search the projects that are due until cancelled."""
        while True:
            try:
                await self.sweep_due()
            except Exception as error:
                log.warning("sweep.later", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def sweep_due(self) -> int:
        """Search the projects that are due, at most a batch; returns their number."""
        async with self._database.transaction() as session:
            await session.execute(_NEW_PROJECTS)
            claim = {"seconds": self._every.total_seconds(), "batch": _BATCH}
            projects = list(await session.scalars(_CLAIM, claim))
        for project in projects:
            try:
                await self.sweep(project)
            except Exception as error:
                # It is searched again when its time has come.
                log.warning("sweep.project_later", project=project, error=str(error))
        async with self._database.transaction() as session:
            ORPHANS.set(await session.scalar(select(func.count()).select_from(Orphan)) or 0)
        return len(projects)

    async def sweep(self, project_id: str) -> None:
        """Search one project, record what is found, and remove what is to be removed."""
        async with self._database.transaction() as session:
            deleted = set(await session.scalars(_DELETED_CLUSTERS, {"project": project_id}))
        cloud = self._clouds.for_project(project_id)
        found = [item for item in await cloud.owned_items() if item.cluster_id in deleted] if deleted else []
        async with self._database.transaction() as session:
            await self._record(session, project_id, found)
            due = await self._due(session, project_id)
        for item in sorted(due, key=lambda item: _ORDER.index(item.kind))[:_REMOVALS]:
            await self._remove(cloud, project_id, item)

    async def _record(self, session: AsyncSession, project_id: str, found: Sequence[InventoryItem]) -> None:
        known = {
            (row.kind, row.item_id)
            for row in await session.scalars(select(Orphan).where(Orphan.project_id == project_id).with_for_update())
        }
        present = {(item.kind, item.id) for item in found}
        for kind, item_id in known - present:
            await session.execute(delete(Orphan).where(Orphan.kind == kind, Orphan.item_id == item_id))
        for item in found:
            if (item.kind, item.id) not in known:
                row = {"kind": item.kind, "item_id": item.id, "name": item.name, "cluster_id": item.cluster_id}
                await session.execute(insert(Orphan).values(row | {"project_id": project_id}).on_conflict_do_nothing())
                await _tell(session, "orphan.found.v1", project_id, item)

    async def _due(self, session: AsyncSession, project_id: str) -> list[InventoryItem]:
        wanted = Orphan.remove_at <= func.now()
        if self._grace is not None:
            wanted = wanted | (Orphan.found_at <= func.now() - self._grace)
        rows = await session.scalars(select(Orphan).where(Orphan.project_id == project_id, wanted))
        return [InventoryItem(row.kind, row.item_id, row.name, row.cluster_id) for row in rows]

    async def _remove(self, cloud: Cloud, project_id: str, item: InventoryItem) -> None:
        mine = (Orphan.kind == item.kind, Orphan.item_id == item.id)
        try:
            await cloud.delete_leftover(item)
        except Exception as error:
            log.warning("orphan.not_removed", kind=item.kind, id=item.id, error=str(error))
            async with self._database.transaction() as session:
                await session.execute(update(Orphan).where(*mine).values(failure=str(error)[:1000]))
                # Others may have to go first, which takes seconds.
                soon = func.now() + timedelta(seconds=LOOK_SECONDS)
                await session.execute(
                    update(ProjectSweep).where(ProjectSweep.project_id == project_id).values(sweep_at=soon)
                )
            return
        log.info("orphan.removed", kind=item.kind, id=item.id, name=item.name, cluster=item.cluster_id)
        async with self._database.transaction() as session:
            await session.execute(delete(Orphan).where(*mine))
            await _tell(session, "orphan.removed.v1", project_id, item)


async def _tell(session: AsyncSession, name: str, project_id: str, item: InventoryItem) -> None:
    data = OrphanFound(kind=item.kind, id=item.id, name=item.name, cluster_id=item.cluster_id)
    await emit(session, name, data, project_id=project_id, subject=f"orphans/{item.kind}/{item.id}")
