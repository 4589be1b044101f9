"""Reads the event log in an order that skips no event.

Rule: events are ordered by (tx, seq), and only those of transactions older than the oldest running one are read. A row
with a lower `seq` can still be committed later, but no row with a lower `tx` can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A position in the log. Clients store its text form `<tx>-<seq>`, which is also the `Last-Event-ID` of SSE."""

    tx: int
    seq: int

    def __str__(self) -> str:
        return f"{self.tx}-{self.seq}"

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
    cursor: Cursor
    id: str
    type: str
    subject: str
    project_id: str
    cluster_id: str | None
    operation_id: str | None
    sequence: int | None
    time: Any
    data: dict[str, Any]


_SELECT = """
SELECT tx::text::bigint AS tx, seq, id, type, subject, project_id, cluster_id, operation_id, sequence, time, data
FROM events
WHERE (tx, seq) > ((:tx)::text::xid8, :seq) AND tx < pg_snapshot_xmin(pg_current_snapshot())
  AND ((:project_id)::text IS NULL OR project_id = :project_id)
  AND ((:cluster_id)::text IS NULL OR cluster_id = :cluster_id)
  AND ((:types)::text[] IS NULL OR type = ANY(:types))
ORDER BY tx, seq LIMIT :limit
"""


async def read_events(
    session: AsyncSession,
    *,
    project_id: str | None,
    after: Cursor | None = None,
    limit: int = 100,
    cluster_id: str | None = None,
    types: Sequence[str] | None = None,
) -> list[LoggedEvent]:
    """Up to `limit` events after a cursor, oldest first.

    Args:
        project_id: the project whose events are read; None for all projects (administrators).
        types: catalog names to include; None for all.
    """
    start = after or Cursor(0, 0)
    rows = await session.execute(
        text(_SELECT),
        {
            "tx": str(start.tx),
            "seq": start.seq,
            "project_id": project_id,
            "cluster_id": cluster_id,
            "types": list(types) if types is not None else None,
            "limit": limit,
        },
    )
    return [
        LoggedEvent(
            cursor=Cursor(row.tx, row.seq),
            id=row.id,
            type=row.type,
            subject=row.subject,
            project_id=row.project_id,
            cluster_id=row.cluster_id,
            operation_id=row.operation_id,
            sequence=row.sequence,
            time=row.time,
            data=row.data,
        )
        for row in rows
    ]
