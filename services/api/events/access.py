"""Reads the event log for requests, through connections that nothing else uses.

Rule: reading takes connections of its own pool, so that readers, however many, do not delay a write. Only numbering
events writes, and one connection at a time does it for all requests of this process.
"""

from __future__ import annotations

import asyncio
from typing import Any

from services.api.events.filters import LATEST
from services.api.reader import Reader, Row
from services.api.wire.errors import ApiError
from services.api.wire.paging import is_full
from shared.db.engine import Database
from shared.events.numbering import IS_BEHIND, number_events
from shared.events.reader import Cursor, Extent, LoggedEvent, Selection, position_of, read_events, read_extent


class LogAccess:
    """Args:
    db: numbers events.
    reader: the pool for the log; its lifespan belongs to the application.
    places: the number of streams that read the log at the same time; the others wait.
    """

    def __init__(self, db: Database, reader: Reader, *, places: int) -> None:
        self._db = db
        self._numbering = asyncio.Lock()
        self._places = asyncio.Semaphore(places)
        self.reader = reader

    async def settle(self) -> None:
        """Let events that were committed before this call be readable."""
        if (await self.reader.rows(IS_BEHIND))[0]["exists"]:
            async with self._numbering:
                await number_events(self._db)

    async def extent(self) -> Extent:
        return await read_extent(self.reader.rows)

    async def start(self, after: Cursor | str | None, extent: Extent) -> int:
        """The position after which a request begins; settle first.

        Raises:
            ApiError: 410, if events after the cursor were deleted, or if the log does not reach it, because the
                database is an older copy.
        """
        if after is None or isinstance(after, str):
            return extent.last if after == LATEST else extent.first
        position = await position_of(self.reader.rows, after)
        if extent.has(position):
            return position
        begin = extent.first if position < extent.first else extent.last
        why = "Events after it were deleted" if position < extent.first else "The log does not reach it"
        raise ApiError(
            410,
            f"The cursor {after} is no longer valid. {why}; continue with after={Cursor.at(begin)}",
            headers={"X-Jeroboam-Cursor": str(Cursor.at(begin))},
        )

    async def page(self, selection: Selection, *, after: int, limit: int, upto: int | None = None) -> list[LoggedEvent]:
        return await read_events(self.reader.rows, selection, after=after, upto=upto, limit=limit)

    async def listed(self, selection: Selection, *, after: int, limit: int) -> tuple[list[LoggedEvent], bool]:
        """A page for a list, bounded in bytes, and whether it is full. Raises ApiError, see `start`."""

        async def fetch(sql: str, *arguments: Any) -> list[Row]:
            return await self.reader.page(sql, *arguments, weight="octet_length(p.data) + 600")

        events = await read_events(fetch, selection, after=after, limit=limit)
        await self._check_complete(events, after, None)
        return events, is_full([event.row for event in events], limit)

    async def history(self, selection: Selection, *, after: int, upto: int | None, limit: int) -> list[LoggedEvent]:
        """A page for a stream, which waits for its turn as long as it takes. Raises ApiError, see `start`."""
        async with self._places:
            events = await self.page(selection, after=after, upto=upto, limit=limit)
            # An empty page without an end moves no position: the next one begins at the same place.
            if events or upto is not None:
                await self._check_complete(events, after, upto)
            return events

    async def _check_complete(self, events: list[LoggedEvent], after: int, upto: int | None) -> None:
        """Raise a 410 if events after the position were deleted before they were read."""
        # Only a beginning of the log is ever deleted, so nothing is missing if the next position is there.
        if (events and events[0].position == after + 1) or (upto is not None and upto <= after):
            return
        await self.start(Cursor.at(after), await self.extent())
