"""How many clusters a project may have.

Rule: asked twice: early, without a lock, so that a full project costs the cloud nothing; and in the transaction that
makes the cluster, under a lock, where it counts.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.wire.errors import quota_reached

_COUNT_AND_LIMIT = """
SELECT (SELECT count(*) FROM clusters WHERE project_id = {0}) AS number,
       (SELECT hard_limit FROM quotas WHERE project_id = {0} AND resource = 'Cluster') AS hard_limit
"""


async def check_quota_early(deps: Deps, context: RequestContext) -> None:
    """Refuse before the cloud is asked anything; `take_quota` decides."""
    row = await deps.reader.row(_COUNT_AND_LIMIT.format("$1"), context.project_id)
    assert row is not None
    _judge_quota(deps, row["number"], row["hard_limit"])


async def take_quota(session: AsyncSession, deps: Deps, project_id: str) -> None:
    """Count under a lock, so that two creates cannot take the same last place."""
    # A statement of its own: the count must see what the holder of the lock before us has committed.
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"cluster quota of {project_id}"}
    )
    row = (await session.execute(text(_COUNT_AND_LIMIT.format(":project")), {"project": project_id})).one()
    _judge_quota(deps, row.number, row.hard_limit)


def _judge_quota(deps: Deps, number: int, hard_limit: int | None) -> None:
    limit = deps.settings.max_clusters_per_project if hard_limit is None else hard_limit
    if number >= limit:
        raise quota_reached(limit)
