"""Waiting for something in the database to change, without holding a connection.

Rule: one listening connection per process serves every waiter; a waiter sleeps on an event of this process and always
with a limit of its own, because notifications only shorten a wait and may be lost.
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
        """Begin listening; waiters may come before."""
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
        """Let everybody who waits on a channel look again."""
        # Whoever waits holds the old event; whoever comes next gets a fresh one.
        self._changed.pop(channel, asyncio.Event()).set()

    def expect(self, channel: str) -> asyncio.Event:
        """The channel's next change. Taken before looking at the database, it cannot be missed by looking."""
        return self._changed[channel]


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Sleep until an event is set or `seconds` are over; whether it was set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
