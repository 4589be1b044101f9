"""Shared by the GET requests of all resources: finding a row by UUID or name, and checking a list's marker."""

# ruff: noqa: S608 - statements consist of constants of this package; values are always arguments
from __future__ import annotations

from services.api.reader import Reader, Row
from services.api.wire.errors import ambiguous_name, not_found
from services.api.wire.identifiers import as_uuid, findable
from services.api.wire.paging import Page


async def one_named(
    reader: Reader, sql: str, scope: str | None, ident: str, kind: str, plural: str, singular: str
) -> Row:
    """Return the row that `sql` finds by UUID or name.

    Args:
        sql: ends before the name of the column; `$1` is `scope`, `$2` is the UUID or name.
        kind, plural, singular: Magnum's names of the resource in its error messages.

    Raises:
        ApiError: 404 if there is none, 409 if the name is ambiguous.
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
    """Raise 404 if the marker is not in the list.

    Args:
        listed: table and condition of the list; `$1` is `scope`.
    """
    if page.marker is None:
        return
    if not await reader.rows(f"SELECT 1 FROM {listed} AND uuid = $2", scope, page.marker):
        raise not_found(kind, page.marker)
