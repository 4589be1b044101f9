"""Waits for commands on behalf of all agents of this process.

Rule: however many agents wait, the database is asked once per notification and once per POLL_SECONDS, and only those
agents are woken for whom there is something. Ten thousand quiet nodes cost one small query every few seconds.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from services.api.reader import Reader
from services.api.wakeups import Wakeups, happens
from shared.operations.node_commands import CHANNEL

POLL_SECONDS = 5.0

log = structlog.get_logger(__name__)


class CommandWatch:
    """Args: reader: for polling; wakeups: end the pause between polls early."""

    def __init__(self, reader: Reader, wakeups: Wakeups) -> None:
        self._reader = reader
        self._wakeups = wakeups
        self._waiting: dict[str, asyncio.Event] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="command-watch")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def expect(self, node_id: str) -> asyncio.Event:
        """An event that is set when a command for the node may exist; get it before looking, so that none is missed."""
        return self._waiting.setdefault(node_id, asyncio.Event())

    def forget(self, node_id: str, event: asyncio.Event) -> None:
        """Stop waiting. Others that share the event look again when their own time has passed."""
        if self._waiting.get(node_id) is event:
            del self._waiting[node_id]

    def release(self) -> None:
        """Wake all waiters."""
        while self._waiting:
            self._waiting.popitem()[1].set()

    async def _run(self) -> None:
        change = self._wakeups.expect(CHANNEL)
        while True:
            await happens(change, POLL_SECONDS)
            change = self._wakeups.expect(CHANNEL)
            if not self._waiting:
                continue
            try:
                rows = await self._reader.rows("SELECT DISTINCT node_id FROM node_commands WHERE finished_at IS NULL")
            except Exception as error:
                # The database is away: agents keep waiting, and the next round asks again.
                log.warning("command_watch.missed", error=str(error))
                continue
            for row in rows:
                event = self._waiting.pop(row["node_id"], None)
                if event is not None:
                    event.set()
