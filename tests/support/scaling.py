"""Asking for nodes in one transaction on the sandbox's database, also where the API would refuse it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import select

from sandbox.run import Sandbox
from shared.db.engine import Database
from shared.db.models import Nodegroup
from shared.operations.locks import lock_cluster
from shared.operations.resize import request_resize

LIMIT = timedelta(minutes=30)


class Scaling:
    """Args: database: the sandbox's."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def resize(
        self, cluster: str, count: int, *, group: str = "default-worker", remove: Sequence[str] = ()
    ) -> str:
        async with self.database.transaction() as session:
            row = await lock_cluster(session, cluster)
            assert row is not None
            found = select(Nodegroup).where(Nodegroup.cluster_id == cluster, Nodegroup.name == group)
            return await request_resize(
                session,
                cluster=row,
                nodegroup=(await session.scalars(found)).one(),
                node_count=count,
                remove=remove,
                user_id="u1",
                request_id=None,
                timeout=LIMIT,
            )


@asynccontextmanager
async def scaling(sandbox: Sandbox) -> AsyncIterator[Scaling]:
    url = sandbox.database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    database = Database(url, application_name="test", pool_size=2)
    try:
        yield Scaling(database)
    finally:
        await database.close()
