"""SQL queries of GET requests for federations."""

# ruff: noqa: S608 - statements consist of constants of this package; values are always arguments
from __future__ import annotations

from services.api.lookup import check_marker, one_named
from services.api.reader import Reader, Row
from services.api.wire.paging import Page

_VISIBLE = "($1::text IS NULL OR f.project_id = $1)"
_SELECT = f"""
SELECT f.*, (SELECT coalesce(array_agg(m.cluster_id ORDER BY m.id), '{{}}') FROM federation_members m
             WHERE m.federation_id = f.uuid) AS member_ids
FROM federations f WHERE {_VISIBLE}
"""


async def list_federations(reader: Reader, project: str | None, page: Page) -> list[Row]:
    await check_marker(reader, f"federations f WHERE {_VISIBLE}", "Federation", page, project)
    after, order = page.sql("f", 2, "federations")
    sql = f"{_SELECT} AND ({after}) ORDER BY {order} LIMIT $3"
    return await reader.page(sql, project, page.marker, page.limit)


async def one_federation(reader: Reader, project: str | None, ident: str) -> Row:
    """A federation by UUID or name."""
    return await one_named(reader, f"{_SELECT} AND f.", project, ident, "Federation", "federations", "federation")
