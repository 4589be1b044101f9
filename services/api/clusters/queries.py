"""SQL queries of GET requests for clusters.

Rule: every statement takes the project it is limited to as an argument (null for administrators), so resources of other
projects are not found instead of forbidden.
"""

# ruff: noqa: S608 - statements consist of constants of this package; values are always arguments
from __future__ import annotations

from services.api.clusters.views import REDUCED
from services.api.lookup import check_marker, one_named
from services.api.reader import Reader, Row
from services.api.wire.paging import Page

_COUNTS = """
LEFT JOIN LATERAL (
  SELECT coalesce(sum(node_count) FILTER (WHERE role NOT IN ('master', 'bootstrap')), 0)::bigint AS node_count,
         coalesce(sum(node_count) FILTER (WHERE role = 'master'), 0)::bigint AS master_count,
         jsonb_object_agg(name, status_reason) FILTER (WHERE status LIKE '%\\_FAILED') AS faults
  FROM nodegroups WHERE cluster_id = c.uuid) g ON true
"""
_ADDRESSES = """
LEFT JOIN LATERAL (
  SELECT coalesce(array_agg(coalesce(floating_ip, ip_address) ORDER BY index) FILTER (
           WHERE role NOT IN ('master', 'bootstrap') AND coalesce(floating_ip, ip_address) IS NOT NULL), '{}')
           AS node_addresses,
         coalesce(array_agg(coalesce(floating_ip, ip_address) ORDER BY index) FILTER (
           WHERE role = 'master' AND coalesce(floating_ip, ip_address) IS NOT NULL), '{}') AS master_addresses,
         jsonb_object_agg(name, reason) FILTER (WHERE state = 'failed') AS faults,
         coalesce(bool_or(role = 'master' AND state IN ('creating', 'announced', 'joined')), false) AS has_master
  FROM nodes WHERE cluster_id = c.uuid) a ON true
"""
_TEMPLATE = "JOIN cluster_templates t ON t.uuid = c.cluster_template_id"
# Only the columns that a list shows, to avoid decoding `spec` and `base_outputs`.
_COUNTED = ("node_count", "master_count")
_LISTED = ", ".join(f"{'g' if name in _COUNTED else 'c'}.{name}" for name in (*REDUCED, "stack_id"))
_REDUCED = f"SELECT {_LISTED} FROM clusters c {_COUNTS}"
_FULL = (
    "SELECT c.*, g.node_count, g.master_count, a.node_addresses, a.master_addresses, a.has_master, "
    "coalesce(g.faults, '{}') || coalesce(a.faults, '{}') AS faults, "
    f"t.labels AS parent_labels FROM clusters c {_TEMPLATE} {_COUNTS} {_ADDRESSES}"
)
# Estimates, because the text of all columns would cost more than the list.
_WEIGHT = "octet_length(p.labels::text) + 600"
_WEIGHT_OF_FULL = """
3 * octet_length(p.labels::text) + octet_length(p.parent_labels::text) + octet_length(p.health_status_reason::text)
+ coalesce(octet_length(p.status_reason), 0) + 40 * cardinality(p.node_addresses || p.master_addresses) + 1500
"""
_VISIBLE = "($1::text IS NULL OR c.project_id = $1)"


async def list_clusters(reader: Reader, project: str | None, page: Page, *, detail: bool) -> list[Row]:
    await check_marker(reader, f"clusters c WHERE {_VISIBLE}", "Cluster", page, project)
    after, order = page.sql("c", 2, "clusters")
    select = _FULL if detail else _REDUCED
    sql = f"{select} WHERE {_VISIBLE} AND ({after}) ORDER BY {order} LIMIT $3"
    return await reader.page(sql, project, page.marker, page.limit, weight=_WEIGHT_OF_FULL if detail else _WEIGHT)


async def one_cluster(reader: Reader, project: str | None, ident: str) -> Row:
    """A cluster by UUID or name, with all columns of its full view."""
    return await one_named(reader, f"{_FULL} WHERE {_VISIBLE} AND c.", project, ident, "Cluster", "clusters", "cluster")
