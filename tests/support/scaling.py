"""Asking for nodes and nodegroups as the API does: in one transaction on the sandbox's database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from sandbox.run import Sandbox
from shared.db.engine import Database
from shared.db.models import Cluster, Nodegroup
from shared.domain.ids import new_id
from shared.domain.states import OperationKind
from shared.operations.locks import lock_cluster
from shared.operations.resize import request_resize
from shared.operations.start import start_operation

LIMIT = timedelta(minutes=30)


class Scaling:
    """Args: database: the sandbox's."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @asynccontextmanager
    async def _group(self, cluster: str, name: str) -> AsyncIterator[tuple[AsyncSession, Cluster, Nodegroup]]:
        async with self.database.transaction() as session:
            row = await lock_cluster(session, cluster)
            assert row is not None
            found = select(Nodegroup).where(Nodegroup.cluster_id == cluster, Nodegroup.name == name)
            yield session, row, (await session.scalars(found)).one()

    async def resize(
        self, cluster: str, count: int, *, group: str = "default-worker", remove: Sequence[str] = ()
    ) -> str:
        async with self._group(cluster, group) as (session, row, nodegroup):
            return await request_resize(
                session,
                cluster=row,
                nodegroup=nodegroup,
                node_count=count,
                remove=remove,
                user_id="u1",
                request_id=None,
                timeout=LIMIT,
            )

    async def add_group(self, cluster: str, name: str, count: int) -> str:
        """A nodegroup like the default workers'."""
        async with self._group(cluster, "default-worker") as (session, row, like):
            group = Nodegroup(
                uuid=new_id(),
                cluster_id=cluster,
                project_id=row.project_id,
                name=name,
                role="worker",
                flavor_id=like.flavor_id,
                image_id=like.image_id,
                labels=like.labels,
                node_count=count,
                status="CREATE_IN_PROGRESS",
            )
            session.add(group)
            await session.flush()
            await self._start(session, row, OperationKind.NODEGROUP_CREATE, group)
            return group.uuid

    async def delete_group(self, cluster: str, name: str) -> None:
        async with self._group(cluster, name) as (session, row, group):
            await self._start(session, row, OperationKind.NODEGROUP_DELETE, group)

    async def change_group(self, cluster: str, name: str, **columns: Any) -> None:
        async with self._group(cluster, name) as (session, row, group):
            before = {"node_labels": group.node_labels, "node_taints": group.node_taints}
            for column, value in columns.items():
                setattr(group, column, value)
            await self._start(session, row, OperationKind.NODEGROUP_UPDATE, group, before=before)

    async def _start(
        self, session: AsyncSession, row: Cluster, kind: OperationKind, group: Nodegroup, **params: Any
    ) -> None:
        await start_operation(
            session,
            cluster=row,
            kind=kind,
            user_id="u1",
            request_id=None,
            params=params,
            timeout=LIMIT,
            nodegroup_ids=[group.uuid],
        )


@asynccontextmanager
async def scaling(sandbox: Sandbox) -> AsyncIterator[Scaling]:
    url = sandbox.database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    database = Database(url, application_name="test", pool_size=2)
    try:
        yield Scaling(database)
    finally:
        await database.close()
