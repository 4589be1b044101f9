"""Single flight: concurrent callers with the same question share one answer.

Rule: a question runs in a task of its own, so that the cancellation of one caller does not affect the others. A caller
waits with `asyncio.shield`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Flight(Generic[V]):
    """A question that has no answer yet. `asked_at` is on the clock of the caller that started it."""

    asked_at: float
    task: asyncio.Task[V]

    async def answer(self) -> V:
        return await asyncio.shield(self.task)


class Flights(Generic[K, V]):
    """The questions that are open, by key."""

    def __init__(self) -> None:
        self._open: dict[K, Flight[V]] = {}
        self._tasks: set[asyncio.Task[V]] = set()

    def __len__(self) -> int:
        """The number of questions without an answer, also of those that were replaced."""
        return len(self._tasks)

    def get(self, key: K) -> Flight[V] | None:
        return self._open.get(key)

    def start(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]], *, now: float = 0.0) -> Flight[V]:
        """Ask, in place of an older open question with the same key, whose callers still get its answer."""
        flight = self._open[key] = Flight(now, asyncio.create_task(ask()))
        self._tasks.add(flight.task)
        flight.task.add_done_callback(lambda _task: self._landed(key, flight))
        return flight

    async def close(self) -> None:
        """Cancel the open questions."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, key: K, flight: Flight[V]) -> None:
        self._tasks.discard(flight.task)
        if self._open.get(key) is flight:
            del self._open[key]
        if not flight.task.cancelled():
            # Retrieve the exception, so that asyncio does not log it if all callers were cancelled.
            flight.task.exception()
