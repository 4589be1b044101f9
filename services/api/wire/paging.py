"""limit, marker, sort_key, sort_dir and `next`, for all lists.

Rule: pagination is by key over (sort_key, id), which stays correct while rows are added and deleted. Nulls sort first,
as in MySQL, which Magnum uses. Column names come from the table's columns, never from the caller. A page ends at its
limit in rows, or earlier at a limit in bytes, so that rows of any size cost a bounded amount of memory.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request

from services.api.reader import Row
from services.api.wire.errors import ApiError, bad_request, invalid_field
from services.api.wire.identifiers import as_uuid

ARGUMENTS = ("marker", "limit", "sort_key", "sort_dir")


@dataclass(frozen=True, slots=True)
class Page:
    """The requested page.

    Args:
        marker: the last row of the previous page, by its `marked_by`; None for the first page.
        sort_key: a known column.
        marked_by: `uuid`, or `id` for resources without a UUID.
    """

    limit: int
    marker: str | None
    sort_key: str
    sort_dir: str
    marked_by: str = "uuid"

    def sql(self, alias: str, marker_id_arg: int, table: str) -> tuple[str, str]:
        """Return the condition after the marker and the ORDER BY for rows of `table` with the alias `alias`.

        Args:
            marker_id_arg: number of the query argument that contains the marker.
        """
        ascending = self.sort_dir == "asc"
        direction, nulls, sign = ("ASC", "NULLS FIRST", ">") if ascending else ("DESC", "NULLS LAST", "<")
        order = f"{alias}.{self.sort_key} {direction} {nulls}, {alias}.id {direction}"
        if self.marker is None:
            # The argument is used even if it is null, so that a statement always has the same arguments.
            return f"${marker_id_arg}::text IS NULL", order
        # The marker is text in every statement; a UUID column is text and needs no cast, so its index is used.
        mark_column = "uuid" if self.marked_by == "uuid" else "id::text"
        marked = f"FROM {table} WHERE {mark_column} = ${marker_id_arg}"
        key, mark, mark_id = f"{alias}.{self.sort_key}", f"(SELECT {self.sort_key} {marked})", f"(SELECT id {marked})"
        beyond_null = f"{key} IS NOT NULL" if ascending else "false"
        beyond = f"{key} {sign} {mark}" + ("" if ascending else f" OR {key} IS NULL")
        return (
            f"CASE WHEN {mark} IS NULL THEN {beyond_null} OR ({key} IS NULL AND {alias}.id {sign} {mark_id}) "
            f"ELSE {beyond} OR ({key} = {mark} AND {alias}.id {sign} {mark_id}) END",
            order,
        )

    def next_link(self, base: str, path: str, last: str, rows: Sequence[Row]) -> dict[str, str]:
        """`{"next": url}` if the page is full, otherwise `{}`; `last` is the marker of its last row."""
        if not is_full(rows, self.limit):
            return {}
        query = urlencode({"sort_key": self.sort_key, "sort_dir": self.sort_dir, "limit": self.limit, "marker": last})
        return {"next": f"{base}/v1/{path}?{query}"}


def is_full(rows: Sequence[Row], limit: int) -> bool:
    """Whether more rows can follow: the page has as many as were requested, or as many bytes as it may have."""
    return bool(rows) and (len(rows) >= limit or rows[0].get("page_rows", 0) > len(rows))


def read_page(request: Request, *, columns: Collection[str], max_limit: int, marked_by: str = "uuid") -> Page:
    """Parse the page that a request asks for.

    Raises:
        ApiError: 400 with Magnum's message.
    """
    query = request.query_params
    return Page(
        limit=_limit(query.get("limit"), max_limit),
        marker=_marker(query.get("marker")) if marked_by == "uuid" else _number(query.get("marker")),
        sort_key=_sort_key(query.get("sort_key") or "id", columns),
        sort_dir=_sort_dir(query.get("sort_dir", "asc")),
        marked_by=marked_by,
    )


def _limit(value: str | None, highest: int) -> int:
    if value is None:
        return highest
    digits = value.strip().removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise _no_number("limit", value)
    if value.strip().startswith("-") or not digits.strip("0"):
        raise bad_request("Limit must be positive")
    # Python rejects numbers with thousands of digits; such a limit means "all".
    return min(int(digits), highest) if len(digits) < 20 else highest


def _marker(value: str | None) -> str | None:
    if value is None:
        return None
    marker = as_uuid(value)
    if marker is None:
        why = f"unable to convert to uuid. Error: Expected a uuid but received {value[:100]}."
        raise invalid_field("marker", value, why)
    return marker


def _number(value: str | None) -> str | None:
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise _no_number("marker", value)
    return str(int(value))


def _no_number(name: str, value: str) -> ApiError:
    why = f"unable to convert to int. Error: invalid literal for int() with base 10: {value[:100]!r}"
    return invalid_field(name, value, why)


def _sort_key(value: str, columns: Collection[str]) -> str:
    if value not in columns:
        raise bad_request(f'The sort_key value "{value[:100]}" is an invalid field for sorting')
    return value


def _sort_dir(value: str) -> str:
    if value not in ("asc", "desc"):
        raise bad_request(f"Invalid sort direction: {value[:100]}. Acceptable values are 'asc' or 'desc'")
    return value
