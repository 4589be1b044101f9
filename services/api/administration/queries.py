"""SQL queries for administrators: quotas, statistics, services.

Rule: as in `clusters.queries`, a null project means all projects. None of these rows belongs to a cluster.
"""

# ruff: noqa: S608 - statements consist of constants of this package; values are always arguments
from __future__ import annotations

from services.api.reader import Reader, Row
from services.api.wire.errors import quota_not_found
from services.api.wire.paging import Page

_CONDUCTOR = """
SELECT (array_agg(host ORDER BY (beat_at > now() - $1::float * interval '1 second') DESC, started_at))[1] AS host,
       coalesce(max(beat_at) > now() - $1::float * interval '1 second', false) AS is_up,
       sum(beats)::bigint AS report_count, min(started_at) AS created_at, max(beat_at) AS updated_at
FROM service_heartbeats WHERE service = 'provisioner' HAVING count(*) > 0
"""
_STATISTICS = """
SELECT (SELECT count(*) FROM clusters WHERE $1::text IS NULL OR project_id = $1) AS clusters,
       (SELECT coalesce(sum(node_count), 0)::bigint FROM nodegroups WHERE $1::text IS NULL OR project_id = $1) AS nodes
"""


async def list_quotas(reader: Reader, project: str | None, page: Page) -> list[Row]:
    if page.marker is not None and not await reader.rows("SELECT 1 FROM quotas WHERE id::text = $1", page.marker):
        raise quota_not_found(f"quota id {page.marker} ")  # the space is Magnum's
    after, order = page.sql("q", 2, "quotas")
    whose = "($1::text IS NULL OR q.project_id = $1)"
    sql = f"SELECT q.* FROM quotas q WHERE {whose} AND ({after}) ORDER BY {order} LIMIT $3"
    return await reader.rows(sql, project, page.marker, page.limit)


async def find_quota(reader: Reader, project: str, resource: str) -> Row | None:
    """The quota of a project, or None if the default applies."""
    return await reader.row("SELECT * FROM quotas WHERE project_id = $1 AND resource = $2", project, resource)


async def statistics(reader: Reader, project: str | None) -> Row:
    """`clusters` and `nodes` (including masters) of a project, or of all projects."""
    row = await reader.row(_STATISTICS, project)
    assert row is not None
    return row


async def conductor(reader: Reader, down_after: float) -> Row | None:
    """All provisioners as the one service that Magnum's clients expect; None before the first heartbeat.

    Args:
        down_after: seconds without a heartbeat after which the service is down.
    """
    return await reader.row(_CONDUCTOR, down_after)
