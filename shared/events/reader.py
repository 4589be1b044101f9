"""Reads the event log in an order that skips no event.

Rule: events are read in the order of their positions (`shared.events.numbering`). An event without a position is not
read: a caller that must see what was just committed numbers it first.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Fetch = Callable[..., Awaitable[Sequence[Mapping[str, Any]]]]
COLUMNS = "id, type, subject, project_id, cluster_id, operation_id, sequence, time, trace, data::text AS data"


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A position in the log, as clients store it: `0-<position>`, which is also the `Last-Event-ID` of SSE.

    The version before wrote `<tx>-<seq>`, which `position_of` still understands. It reads `0-<position>` as a place
    before all events, so that during an upgrade it repeats events instead of refusing the cursor.
    """

    tx: int
    seq: int

    def __str__(self) -> str:
        return f"{self.tx}-{self.seq}"

    @classmethod
    def at(cls, position: int) -> Cursor:
        return cls(0, position)

    @classmethod
    def parse(cls, value: str) -> Cursor:
        """Raises ValueError if the text is not a cursor."""
        tx, separator, seq = value.partition("-")
        if not (separator and tx.isascii() and tx.isdigit() and seq.isascii() and seq.isdigit()):
            raise ValueError(f"{value!r} is not a cursor")
        cursor = cls(int(tx), int(seq))
        if cursor.tx >= 2**63 or cursor.seq >= 2**63:
            raise ValueError(f"{value!r} is not a cursor")
        return cursor


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of the log.

    Args:
        row: `position` and COLUMNS.
    """

    row: Mapping[str, Any]

    @property
    def position(self) -> int:
        found: int = self.row["position"]
        return found

    @property
    def cursor(self) -> Cursor:
        return Cursor.at(self.position)

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def type(self) -> str:
        return str(self.row["type"])

    @property
    def project_id(self) -> str:
        return str(self.row["project_id"])

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.row["data"])
        return found


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events to read; None: not limited.

    Args:
        project_id: the project whose events are read; None for administrators.
        types: names of the catalog.
        since, until: times of the events, inclusive and exclusive.
    """

    project_id: str | None = None
    cluster_id: str | None = None
    types: Collection[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, event: LoggedEvent) -> bool:
        return (
            (self.project_id is None or event.project_id == self.project_id)
            and (self.cluster_id is None or event.row["cluster_id"] == self.cluster_id)
            and (self.types is None or event.type in self.types)
            and (self.since is None or event.row["time"] >= self.since)
            and (self.until is None or event.row["time"] < self.until)
        )


_CONDITIONS = {
    "project_id": "project_id = {}",
    "cluster_id": "cluster_id = {}",
    "types": "type = ANY({}::text[])",
    "since": "time >= {}",
    "until": "time < {}",
}


async def read_events(
    fetch: Fetch, selection: Selection, *, after: int = 0, upto: int | None = None, limit: int = 100
) -> list[LoggedEvent]:
    """Up to `limit` events after a position, oldest first.

    Args:
        fetch: runs a statement with arguments `$1`, `$2`, ... and returns its rows.
        upto: the last position that is read; None for all.
    """
    # Only conditions that are used, so that each combination gets a plan of its own.
    conditions = ["position > $1"]
    arguments: list[Any] = [after, limit]
    if upto is not None:
        arguments.append(upto)
        conditions.append(f"position <= ${len(arguments)}")
    for name, condition in _CONDITIONS.items():
        value = getattr(selection, name)
        if value is not None:
            arguments.append(list(value) if name == "types" else value)
            conditions.append(condition.format(f"${len(arguments)}"))
    rows = await fetch(
        f"SELECT position, {COLUMNS} FROM events WHERE {' AND '.join(conditions)} ORDER BY position LIMIT $2",  # noqa: S608
        *arguments,
    )
    return [LoggedEvent(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Extent:
    """What the log contains: `first` is the position before the oldest event that is kept, `last` the newest event."""

    first: int
    last: int

    def has(self, position: int) -> bool:
        """Whether everything after this position can be read; false for a position that the log has not reached."""
        return self.first <= position <= self.last


async def read_extent(fetch: Fetch) -> Extent:
    (row,) = await fetch(
        "SELECT last_position AS last, coalesce((SELECT min(position) - 1 FROM events), last_position) AS first "
        "FROM event_counter"
    )
    return Extent(row["first"], row["last"])


async def position_of(fetch: Fetch, cursor: Cursor) -> int:
    """The position that a cursor stands for.

    A cursor of the version before stands before the first event that its reader may not have read, also if another
    server issued it, of which this database is a copy. Events may be repeated, but none is skipped. All events must be
    numbered.
    """
    if cursor.tx == 0:
        return cursor.seq
    (row,) = await fetch(
        "SELECT coalesce((SELECT min(position) - 1 FROM events WHERE (tx, seq) > ($1::text::xid8, $2) "
        "OR ($2 > 0 AND seq > $2)), last_position) AS position FROM event_counter",
        *(str(cursor.tx), cursor.seq),
    )
    position: int = row["position"]
    return position
