"""Waits for changes in the database without holding a connection.

Rule: one listening connection per process serves all waiters. A waiter sleeps on an event in this process, always with
a timeout, because notifications can be lost and only shorten the wait.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

from shared.db.engine import Database


class Wakeups:
    """Args: db: for the listening connection."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._changed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._task: asyncio.Task[None] | None = None

    def start(self, channels: list[str]) -> None:
        """Start listening; waiters can already exist."""
        self._task = asyncio.create_task(self._db.listen(channels, self.wake), name="api-wakeups")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self.wake_all()

    def wake_all(self) -> None:
        for channel in list(self._changed):
            self.wake(channel)

    def wake(self, channel: str) -> None:
        """Wake all waiters of a channel."""
        # Current waiters hold the old event; later ones get a new one.
        self._changed.pop(channel, asyncio.Event()).set()

    def expect(self, channel: str) -> asyncio.Event:
        """Return the event of the channel's next change. Get it before reading the database to miss no change."""
        return self._changed[channel]


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait until an event is set or `seconds` have passed. Returns whether it was set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
