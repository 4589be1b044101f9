"""SQL queries of GET requests for operations and nodes. The rule of `clusters.queries` applies."""

from __future__ import annotations

from collections.abc import Collection

from services.api.reader import Reader, Row
from services.api.wire.errors import not_found
from services.api.wire.identifiers import as_uuid, findable

_OPERATIONS = "SELECT * FROM operations WHERE ($1::text IS NULL OR project_id = $1)"
_NODES = """
SELECT n.*, g.name AS nodegroup FROM nodes n JOIN nodegroups g ON g.uuid = n.nodegroup_id
WHERE n.cluster_id = $1
"""


async def list_operations(
    reader: Reader,
    project: str | None,
    *,
    cluster_id: str | None,
    states: Collection[str] | None,
    marker: str | None,
    limit: int,
) -> list[Row]:
    """Newest first; `marker` is the last UUID of the previous page (UUIDs of version 7 sort by time)."""
    return await reader.page(
        f"{_OPERATIONS} AND ($2::text IS NULL OR cluster_id = $2) AND ($3::text[] IS NULL OR state = ANY($3)) "
        "AND ($4::text IS NULL OR uuid < $4) ORDER BY uuid DESC LIMIT $5",
        project,
        cluster_id,
        list(states) if states is not None else None,
        marker,
        limit,
    )


async def one_operation(reader: Reader, project: str | None, ident: str) -> Row:
    uuid = as_uuid(ident)
    row = await reader.row(f"{_OPERATIONS} AND uuid = $2", project, uuid) if uuid else None
    if row is None:
        raise not_found("Operation", ident if findable(ident) else ascii(ident))
    return row


async def operation_steps(reader: Reader, operation_id: str) -> list[Row]:
    return await reader.rows(
        "SELECT name, started_at, finished_at FROM operation_steps WHERE operation_id = $1 ORDER BY position",
        operation_id,
    )


async def list_nodes(
    reader: Reader, cluster_id: str, *, state: str | None, nodegroup: str | None, marker: str | None, limit: int
) -> list[Row]:
    """In order of creation; `marker` is the last UUID of the previous page."""
    return await reader.page(
        f"{_NODES} AND ($2::text IS NULL OR n.state = $2) AND ($3::text IS NULL OR g.name = $3 OR g.uuid = $3) "
        "AND ($4::text IS NULL OR n.uuid > $4) ORDER BY n.uuid LIMIT $5",
        cluster_id,
        state,
        nodegroup,
        marker,
        limit,
    )


async def one_node(reader: Reader, cluster_id: str, ident: str) -> Row:
    """A node by UUID, name or server ID."""
    if findable(ident):
        value = as_uuid(ident) or ident
        sql = f"{_NODES} AND (n.uuid = $2 OR n.name = $2 OR n.server_id = $2) LIMIT 1"
        if row := await reader.row(sql, cluster_id, value):
            return row
    raise not_found("Node", ident if findable(ident) else ascii(ident))
