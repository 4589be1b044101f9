"""Time and randomness in the simulated cloud.

Rule: all delays come from here, so that a seed determines a run, one factor scales all latencies, and a shutdown
cancels all pending work.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import structlog

log = structlog.get_logger(__name__)


def iso(moment: float | None = None, *, micro: bool = False) -> str:
    """A time in seconds since the epoch (default: now) in OpenStack's format, in UTC."""
    when = datetime.now(UTC) if moment is None else datetime.fromtimestamp(moment, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


class Clock:
    """Delays with jitter, timers and background tasks of one simulated cloud.

    Args:
        seed: seed of all random choices.
        scale: factor for all latencies; 0 makes everything immediate.
    """

    def __init__(self, seed: int, scale: float) -> None:
        self.random = random.Random(seed)
        self.scale = scale
        self._tasks: set[asyncio.Task[None]] = set()

    def between(self, bounds: tuple[float, float]) -> float:
        """A delay in seconds between two bounds, scaled."""
        return self.random.uniform(*bounds) * self.scale

    async def wait(self, bounds: tuple[float, float]) -> None:
        """Wait for a scaled delay."""
        await asyncio.sleep(self.between(bounds))

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a coroutine as a background task; exceptions are logged."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def later(self, delay: float, action: Callable[[], None], name: str) -> asyncio.Task[None]:
        """Call `action` after `delay` seconds (not scaled)."""

        async def act() -> None:
            await asyncio.sleep(delay)
            action()

        return self.start(act(), name)

    async def close(self) -> None:
        """Cancel all pending work and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("background work failed", task=task.get_name(), exc_info=task.exception())
