"""Keeps an operation from writing to the cloud when its lease may have passed to another process.

Rule: the check is made in the thread that sends the request, immediately before it is sent, against a clock that goes
on while the process is stopped. A request waits for its answer no longer than the lease lasts, so a write that was sent
in time is over when somebody else may begin. Reads are not restricted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from shared.domain.errors import LostLease

READS = frozenset({"GET", "HEAD", "OPTIONS"})
# The part of a lease that has to be left for a write.
_LEAST_PART = 0.1
_MARGIN = 0.5  # seconds between the end of a request and the end of the lease, at most
# Linux's clock that also counts the time for which the machine was suspended.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def ticks() -> float:
    """Seconds of a clock that is never set and does not stop while the process is stopped."""
    return time.clock_gettime(_CLOCK)


class Fence:
    """How long a lease certainly lasts.

    Args:
        name: of what is leased, for the error.
        seconds: the length of the lease.
        began: `ticks()` before the lease was asked for.
    """

    def __init__(self, name: str, seconds: float, began: float) -> None:
        self.name = name
        self._seconds = seconds
        self._until = began + seconds

    def renewed(self, began: float) -> None:
        """The lease was extended; `began` is `ticks()` before that was asked for."""
        self._until = began + self._seconds

    def limit(self) -> float:
        """Seconds that a write may take from now on. Raises LostLease if too little of the lease is left."""
        left = self._until - ticks()
        if left < self._seconds * _LEAST_PART:
            raise LostLease(self.name)
        return left - min(_MARGIN, left / 2)


_fence: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def fenced(fence: Fence) -> Iterator[None]:
    """Writes of this context, and of tasks and calls that are started in it, are under a fence."""
    token = _fence.set(fence)
    try:
        yield
    finally:
        _fence.reset(token)


def write_limit(method: str) -> float | None:
    """Seconds that a request may take, or None if nothing but its own timeout limits it.

    Raises:
        LostLease: it writes, and too little of the lease is left.
    """
    fence = _fence.get()
    return None if fence is None or method.upper() in READS else fence.limit()
