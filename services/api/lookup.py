"""Finding one row by uuid or name, and checking a list's marker: what every resource's GETs share."""

# ruff: noqa: S608 - what is put together are constants of this package; values are always arguments
from __future__ import annotations

from services.api.reader import Reader, Row
from services.api.wire.errors import ambiguous_name, not_found
from services.api.wire.identifiers import as_uuid, findable
from services.api.wire.paging import Page


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
