"""SQL queries for cluster templates: a project sees its own and the public ones."""

# ruff: noqa: S608 - statements consist of constants of this package; values are always arguments
from __future__ import annotations

from services.api.lookup import check_marker, one_named
from services.api.reader import Reader, Row
from services.api.wire.paging import Page

_TEMPLATE_VISIBLE = "($1::text IS NULL OR t.project_id = $1 OR (t.public AND NOT t.hidden))"


async def list_templates(reader: Reader, project: str | None, page: Page) -> list[Row]:
    await check_marker(reader, f"cluster_templates t WHERE {_TEMPLATE_VISIBLE}", "ClusterTemplate", page, project)
    after, order = page.sql("t", 2, "cluster_templates")
    sql = f"SELECT t.* FROM cluster_templates t WHERE {_TEMPLATE_VISIBLE} AND ({after}) ORDER BY {order} LIMIT $3"
    return await reader.page(sql, project, page.marker, page.limit)


async def one_template(reader: Reader, project: str | None, ident: str) -> Row:
    """A template by UUID or name."""
    sql = f"SELECT t.* FROM cluster_templates t WHERE {_TEMPLATE_VISIBLE} AND t."
    return await one_named(reader, sql, project, ident, "ClusterTemplate", "ClusterTemplates", "ClusterTemplate")
