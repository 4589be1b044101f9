"""Stops the process on a signal: gracefully on the first one, immediately on the second one."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog

log = structlog.get_logger(__name__)


class StopSignal:
    """Set by SIGTERM or SIGINT. A second signal ends the process immediately; leases and redelivery recover work."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.failed = False

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ask, number)

    def ask(self, number: int = signal.SIGTERM) -> None:
        if self._asked.is_set():
            log.warning("stopping.at_once", signal=signal.Signals(number).name)
            os._exit(128 + number)
        log.info("stopping", signal=signal.Signals(number).name)
        self._asked.set()

    def fail(self) -> None:
        """Stop because the process cannot go on; it then exits with status 1, so that a supervisor starts it again."""
        self.failed = True
        self._asked.set()

    def is_set(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        await self._asked.wait()
