"""A client of an event stream in the test's process: it reads, stalls, breaks off and resumes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from services.api.deps import Deps
from services.api.events.stream import EventStream
from shared.events.reader import Cursor, Selection

Emit = Callable[..., Awaitable[None]]


class StreamClient:
    """What an EventSource would keep: the events, and the last `id`.

    `flowing` is cleared to take nothing for a while.
    """

    def __init__(
        self,
        deps: Deps,
        selection: Selection | None = None,
        *,
        last_id: str | None = None,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self._release = release
        self._deps = deps
        self._selection = selection or Selection()
        self.last_id = last_id
        self.events: list[dict[str, Any]] = []
        self.bookmarks = 0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.changed = asyncio.Event()

    @property
    def names(self) -> list[str]:
        return [event["data"]["name"] for event in self.events]

    async def read(self) -> None:
        """Read one connection to its end."""
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            await self.flowing.wait()
            if message["type"] == "http.response.body":
                self._take(message["body"].decode())

        start = Cursor.parse(self.last_id).seq if self.last_id else 0
        streams = self._deps.settings.streams
        response = EventStream(self._deps.hub, self._deps.event_log, self._selection, start, streams, self._release)
        await response({"type": "http"}, receive, send)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncio.Task[None]]:
        """Read during a block, then break off."""
        task = asyncio.create_task(self.read())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, number: int, seconds: float = 15) -> None:
        """Wait for a number of events."""
        async with asyncio.timeout(seconds):
            while len(self.events) < number:
                self.changed.clear()
                await self.changed.wait()

    def _take(self, body: str) -> None:
        for block in body.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if line and line[0] != ":")
            if "id" in fields:
                self.last_id = fields["id"]
            if "data" in fields:
                self.events.append(json.loads(fields["data"]))
            elif "id" in fields:
                self.bookmarks += 1
        self.changed.set()
