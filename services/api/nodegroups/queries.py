"""SQL queries for nodegroups and the identifiers of their nodes."""

from __future__ import annotations

from services.api.lookup import check_marker, one_named
from services.api.reader import Reader, Row
from services.api.wire.errors import not_found
from services.api.wire.paging import Page

_NODEGROUP = """
SELECT n.*, c.labels AS parent_labels, (
  SELECT coalesce(array_agg(coalesce(floating_ip, ip_address) ORDER BY index), '{}') FROM nodes
  WHERE nodegroup_id = n.uuid AND coalesce(floating_ip, ip_address) IS NOT NULL) AS node_addresses
FROM nodegroups n JOIN clusters c ON c.uuid = n.cluster_id
"""


async def list_nodegroups(reader: Reader, cluster_id: str, page: Page, role: str | None) -> list[Row]:
    await check_marker(reader, "nodegroups WHERE cluster_id = $1", "Nodegroup", page, cluster_id)
    after, order = page.sql("n", 2, "nodegroups")
    sql = (
        f"{_NODEGROUP} WHERE n.cluster_id = $1 AND ({after}) AND ($4::text IS NULL OR n.role = $4) "
        f"ORDER BY {order} LIMIT $3"
    )
    return await reader.page(sql, cluster_id, page.marker, page.limit, role)


async def one_nodegroup(reader: Reader, cluster_id: str, ident: str) -> Row:
    """A nodegroup by UUID, name or, as in Magnum, number."""
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
    """The nodegroup of a request that names none."""
    counted = "n.role NOT IN ('master', 'bootstrap')"
    sql = f"{_NODEGROUP} WHERE n.cluster_id = $1 AND n.is_default AND {counted} ORDER BY n.id LIMIT 1"
    row = await reader.row(sql, cluster_id)
    if row is None:
        raise not_found("Nodegroup", "default-worker")
    return row


async def default_nodegroups(reader: Reader, cluster_id: str) -> list[str]:
    """The UUIDs of the nodegroups that the cluster was created with."""
    sql = "SELECT uuid FROM nodegroups WHERE cluster_id = $1 AND is_default ORDER BY id"
    return [row["uuid"] for row in await reader.rows(sql, cluster_id)]


async def nodes_of_nodegroup(reader: Reader, nodegroup_id: str) -> list[Row]:
    """The identifiers of its nodes, except nodes that are being removed."""
    sql = "SELECT uuid, name, index, server_id FROM nodes WHERE nodegroup_id = $1 AND state <> 'removing'"
    return await reader.rows(sql, nodegroup_id)
