"""Log lines about what others send, at most one of a kind in a second.

Rule: kinds are names in the code, never taken from a message, so their number is bounded.
"""

from __future__ import annotations

import time
from typing import Any

import structlog


class SparseLog:
    """Args:
    log: where the lines go.
    seconds: shortest time between two lines of a kind.
    """

    def __init__(self, log: structlog.stdlib.BoundLogger, *, seconds: float = 1.0) -> None:
        self._log = log
        self._seconds = seconds
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, kind: str, **fields: Any) -> None:
        """Log `kind` with its fields, and how many lines of the kind were left out since the one before."""
        now = time.monotonic()
        if now < self._next.get(kind, 0.0):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._next[kind] = now + self._seconds
        if left_out := self._left_out.pop(kind, 0):
            fields["left_out"] = left_out
        self._log.warning(kind, **fields)
