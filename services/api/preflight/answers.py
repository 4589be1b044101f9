"""Keeps the cloud's answers for a short time.

Rule: errors and "not found" are not kept. Concurrent callers with the same question share one request. An answer says
when it was asked for, so that a caller who needs one that is not older than its own request can ask for that.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shared.cloud.flights import Flight, Flights
from shared.domain.errors import JeroboamError

Ask = Callable[[], Coroutine[Any, Any, Any]]
_JOINED = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the cloud, and the time when it was asked for, in seconds of the clock."""

    value: Any
    asked_at: float


class Answers:
    """A bounded cache; the least recently used answer is discarded first.

    Args:
        size: maximum number of answers.
        clock: monotonic seconds.
    """

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._size = size
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self._flights: Flights[Hashable, Answer] = Flights()

    async def get(self, key: Hashable, ask: Ask, *, seconds: float, since: float = -math.inf) -> Answer:
        """The answer to a question, from the cache if possible.

        Args:
            key: everything on which the answer depends.
            ask: asks the cloud.
            seconds: how old an answer may be.
            since: the earliest time at which an acceptable answer was asked for.

        Raises:
            JeroboamError: from `ask`.
        """
        now = self.clock()
        kept = self._kept.get(key)
        if kept is not None and kept.asked_at >= since and now < kept.asked_at + seconds:
            self._kept.move_to_end(key)
            return kept
        # Another caller's request may fail because of that caller's token, so a failure is not taken over at once.
        for _ in range(_JOINED):
            flight = self._open(key, since)
            if flight is None:
                break
            with suppress(JeroboamError):
                return await flight.answer()
        return await (self._open(key, since) or self._start(key, ask)).answer()

    async def close(self) -> None:
        """Cancel the requests in flight."""
        await self._flights.close()

    def _open(self, key: Hashable, since: float) -> Flight[Answer] | None:
        flight = self._flights.get(key)
        return flight if flight is not None and flight.asked_at >= since else None

    def _start(self, key: Hashable, ask: Ask) -> Flight[Answer]:
        now = self.clock()
        return self._flights.start(key, lambda: self._ask(key, ask, now), now=now)

    async def _ask(self, key: Hashable, ask: Ask, asked_at: float) -> Answer:
        answer = Answer(await ask(), asked_at)
        kept = self._kept.get(key)
        if kept is None or kept.asked_at <= asked_at:
            self._kept.pop(key, None)
            if answer.value:
                self._kept[key] = answer
                while len(self._kept) > self._size:
                    self._kept.popitem(last=False)
        return answer
