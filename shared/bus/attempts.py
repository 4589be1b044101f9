"""Hands a delivery to its handler, and holds it while what the handler depends on is away.

Rule: "not now" is waited for here, with the delivery unsettled: a broker would redeliver it at once, and brokers before
RabbitMQ 4.3 count that toward the delivery limit. As a consumer has a bounded number of unsettled deliveries, holding
them pauses the consumption. A pause is one line in the log, whatever the number of deliveries.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import structlog

from shared.bus.contract import Handler, Message, Verdict
from shared.db.away import is_away

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0


class Attempts:
    """Args:
    handler: raises or returns a verdict. An error that says that the database is away counts as LATER, any other one
        as FAILED.
    queue: its name, for the log.
    held_seconds: the longest time for which a delivery is held; it must be shorter than what the broker allows.
    """

    def __init__(self, handler: Handler, queue: str, *, held_seconds: float) -> None:
        self._handler = handler
        self._queue = queue
        self._held_seconds = held_seconds
        self._stopping = asyncio.Event()
        self._paused = False

    @property
    def paused(self) -> bool:
        """Whether the last attempt ended in LATER."""
        return self._paused

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """Begin no delivery any more, and return those that are held as LATER."""
        self._stopping.set()

    async def verdict(self, message: Message) -> Verdict:
        """The verdict of the handler; LATER only if the delivery was held for too long, or the consumer stops."""
        until, pause = time.monotonic() + self._held_seconds, _FIRST_PAUSE
        while not self.stopping:
            verdict = await self._once(message)
            if verdict is not Verdict.LATER:
                self._resume()
                return verdict
            if time.monotonic() >= until:
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(pause * 2, _LONGEST_PAUSE)
        return Verdict.LATER

    async def _once(self, message: Message) -> Verdict:
        try:
            verdict = await self._handler(message)
        except Exception as error:
            if not is_away(error):
                log.exception("bus.handler_failed", queue=self._queue, message=message.id)
                return Verdict.FAILED
            self._pause(str(error) or type(error).__name__)
            return Verdict.LATER
        if verdict is Verdict.LATER:
            self._pause("the handler cannot take deliveries now")
        return verdict

    def _pause(self, reason: str) -> None:
        if not self._paused:
            log.warning("bus.paused", queue=self._queue, reason=reason)
        self._paused = True

    def _resume(self) -> None:
        if self._paused:
            log.info("bus.resumed", queue=self._queue)
        self._paused = False
