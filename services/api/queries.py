"""The SQL of GETs.

Rule: every statement takes the project it is limited to as an argument (null for an administrator), so what belongs
to others is not found rather than refused.
"""

# ruff: noqa: S608 - statements are put together from constants of this package; values are always arguments
from __future__ import annotations

from services.api.errors import ambiguous_name, not_found
from services.api.identifiers import as_uuid, findable
from services.api.paging import Page
from services.api.reader import Reader, Row
from services.api.views.clusters import REDUCED

_COUNTS = """
LEFT JOIN LATERAL (
  SELECT coalesce(sum(node_count) FILTER (WHERE role <> 'master'), 0)::bigint AS node_count,
         coalesce(sum(node_count) FILTER (WHERE role = 'master'), 0)::bigint AS master_count,
         jsonb_object_agg(name, status_reason) FILTER (WHERE status LIKE '%\\_FAILED') AS faults
  FROM nodegroups WHERE cluster_id = c.uuid) g ON true
"""
_ADDRESSES = """
LEFT JOIN LATERAL (
  SELECT coalesce(array_agg(coalesce(floating_ip, ip_address) ORDER BY index) FILTER (
           WHERE role <> 'master' AND coalesce(floating_ip, ip_address) IS NOT NULL), '{}') AS node_addresses,
         coalesce(array_agg(coalesce(floating_ip, ip_address) ORDER BY index) FILTER (
           WHERE role = 'master' AND coalesce(floating_ip, ip_address) IS NOT NULL), '{}') AS master_addresses,
         jsonb_object_agg(name, reason) FILTER (WHERE state = 'failed') AS faults,
         coalesce(bool_or(role = 'master' AND state IN ('creating', 'announced', 'joined')), false) AS has_master
  FROM nodes WHERE cluster_id = c.uuid) a ON true
"""
_TEMPLATE = "JOIN cluster_templates t ON t.uuid = c.cluster_template_id"
# Only what a list shows: the snapshots in `spec` and `base_outputs` would be decoded for nothing.
_COUNTED = ("node_count", "master_count")
_LISTED = ", ".join(f"{'g' if name in _COUNTED else 'c'}.{name}" for name in (*REDUCED, "stack_id"))
_REDUCED = f"SELECT {_LISTED} FROM clusters c {_COUNTS}"
_FULL = (
    "SELECT c.*, g.node_count, g.master_count, a.node_addresses, a.master_addresses, a.has_master, "
    "coalesce(g.faults, '{}') || coalesce(a.faults, '{}') AS faults, "
    f"t.labels AS parent_labels FROM clusters c {_TEMPLATE} {_COUNTS} {_ADDRESSES}"
)
_VISIBLE = "($1::text IS NULL OR c.project_id = $1)"
_TEMPLATE_VISIBLE = "($1::text IS NULL OR t.project_id = $1 OR (t.public AND NOT t.hidden))"

_NODEGROUP = """
SELECT n.*, c.labels AS parent_labels, (
  SELECT coalesce(array_agg(coalesce(floating_ip, ip_address) ORDER BY index), '{}') FROM nodes
  WHERE nodegroup_id = n.uuid AND coalesce(floating_ip, ip_address) IS NOT NULL) AS node_addresses
FROM nodegroups n JOIN clusters c ON c.uuid = n.cluster_id
"""


async def list_clusters(reader: Reader, project: str | None, page: Page, *, detail: bool) -> list[Row]:
    await check_marker(reader, f"clusters c WHERE {_VISIBLE}", "Cluster", page, project)
    after, order = page.sql("c", 2, "clusters")
    select = _FULL if detail else _REDUCED
    sql = f"{select} WHERE {_VISIBLE} AND ({after}) ORDER BY {order} LIMIT $3"
    return await reader.rows(sql, project, page.marker, page.limit)


async def one_cluster(reader: Reader, project: str | None, ident: str) -> Row:
    """A cluster by uuid or name, with everything its full view shows."""
    return await one_named(reader, f"{_FULL} WHERE {_VISIBLE} AND c.", project, ident, "Cluster", "clusters", "cluster")


async def list_templates(reader: Reader, project: str | None, page: Page) -> list[Row]:
    await check_marker(reader, f"cluster_templates t WHERE {_TEMPLATE_VISIBLE}", "ClusterTemplate", page, project)
    after, order = page.sql("t", 2, "cluster_templates")
    sql = f"SELECT t.* FROM cluster_templates t WHERE {_TEMPLATE_VISIBLE} AND ({after}) ORDER BY {order} LIMIT $3"
    return await reader.rows(sql, project, page.marker, page.limit)


async def one_template(reader: Reader, project: str | None, ident: str) -> Row:
    """A template by uuid or name."""
    sql = f"SELECT t.* FROM cluster_templates t WHERE {_TEMPLATE_VISIBLE} AND t."
    return await one_named(reader, sql, project, ident, "ClusterTemplate", "ClusterTemplates", "ClusterTemplate")


async def list_nodegroups(reader: Reader, cluster_id: str, page: Page, role: str | None) -> list[Row]:
    await check_marker(reader, "nodegroups WHERE cluster_id = $1", "Nodegroup", page, cluster_id)
    after, order = page.sql("n", 2, "nodegroups")
    sql = (
        f"{_NODEGROUP} WHERE n.cluster_id = $1 AND ({after}) AND ($4::text IS NULL OR n.role = $4) "
        f"ORDER BY {order} LIMIT $3"
    )
    return await reader.rows(sql, cluster_id, page.marker, page.limit, role)


async def one_nodegroup(reader: Reader, cluster_id: str, ident: str) -> Row:
    """A nodegroup by uuid, name or, as Magnum has it, number."""
    if ident.isascii() and ident.isdigit() and len(ident) < 19:
        row = await reader.row(f"{_NODEGROUP} WHERE n.cluster_id = $1 AND n.id = $2", cluster_id, int(ident))
        if row is not None:
            return row
    return await one_named(
        reader,
        f"{_NODEGROUP} WHERE n.cluster_id = $1 AND n.",
        cluster_id,
        ident,
        "Nodegroup",
        "nodegroups",
        "nodegroup",
    )


async def default_worker(reader: Reader, cluster_id: str) -> Row:
    """The nodegroup a request means that names none."""
    sql = f"{_NODEGROUP} WHERE n.cluster_id = $1 AND n.is_default AND n.role <> 'master' ORDER BY n.id LIMIT 1"
    row = await reader.row(sql, cluster_id)
    if row is None:
        raise not_found("Nodegroup", "default-worker")
    return row


async def default_nodegroups(reader: Reader, cluster_id: str) -> list[str]:
    """The uuids of the nodegroups a cluster was created with."""
    sql = "SELECT uuid FROM nodegroups WHERE cluster_id = $1 AND is_default ORDER BY id"
    return [row["uuid"] for row in await reader.rows(sql, cluster_id)]


async def nodes_of_nodegroup(reader: Reader, nodegroup_id: str) -> list[Row]:
    """What its nodes can be called by, without those that are already going."""
    sql = "SELECT uuid, name, index, server_id FROM nodes WHERE nodegroup_id = $1 AND state <> 'removing'"
    return await reader.rows(sql, nodegroup_id)


async def one_named(
    reader: Reader, sql: str, scope: str | None, ident: str, kind: str, plural: str, singular: str
) -> Row:
    """The row `sql` finds by uuid or name.

    Args:
        sql: ends where the column's name is to follow; its `$1` is `scope`, its `$2` will be the uuid or name.
        kind, plural, singular: what Magnum calls the resource in its refusals.

    Raises:
        ApiError: 404 when there is none, 409 when a name is not enough.
    """
    uuid = as_uuid(ident)
    if uuid is None and not findable(ident):
        raise not_found(kind, ascii(ident))
    column = "name" if uuid is None else "uuid"
    rows = await reader.rows(f"{sql}{column} = $2 LIMIT 2", scope, uuid or ident)
    if not rows:
        raise not_found(kind, ident)
    if len(rows) > 1:
        raise ambiguous_name(plural, singular)
    return rows[0]


async def check_marker(reader: Reader, listed: str, kind: str, page: Page, scope: str | None) -> None:
    """404 when the marker names nothing of the list.

    Args:
        listed: table and condition of the list; its `$1` is `scope`.
    """
    if page.marker is None:
        return
    if not await reader.rows(f"SELECT 1 FROM {listed} AND uuid = $2", scope, page.marker):
        raise not_found(kind, page.marker)
