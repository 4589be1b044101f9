"""Enforces how many clusters a project can have.

Rule: the limit is checked twice: early and without a lock, to avoid queries to the cloud; and, authoritatively, under a
lock in the transaction that creates the cluster.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.wire.errors import quota_reached

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
COUNT_AND_LIMIT = """
SELECT (SELECT count(*) FROM clusters WHERE project_id = $1) AS number,
       (SELECT hard_limit FROM quotas WHERE project_id = $1 AND resource = 'Cluster') AS hard_limit
"""


async def check_quota_early(deps: Deps, context: RequestContext) -> None:
    """Reject the request before the cloud is queried; the authoritative check is `take_quota`."""
    row = await deps.reader.row(COUNT_AND_LIMIT, context.project_id)
    assert row is not None
    _judge_quota(deps, row["number"], row["hard_limit"])


async def take_quota(session: AsyncSession, deps: Deps, project_id: str) -> None:
    """Check the limit under a lock, so that two concurrent creates cannot both use the last free slot."""
    # A separate statement, so that the count sees what the previous holder of the lock committed.
    connection = await session.connection()
    await connection.exec_driver_sql(LOCK, (f"cluster quota of {project_id}",))
    row = (await connection.exec_driver_sql(COUNT_AND_LIMIT, (project_id,))).one()
    _judge_quota(deps, row.number, row.hard_limit)


def _judge_quota(deps: Deps, number: int, hard_limit: int | None) -> None:
    limit = deps.settings.max_clusters_per_project if hard_limit is None else hard_limit
    if number >= limit:
        raise quota_reached(limit)
