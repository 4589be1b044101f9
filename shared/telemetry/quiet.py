"""Limits how often lines of one kind are logged, so that no fault fills the disk.

Rule: the kind of a line is its level and its event (of the standard library: its logger and its format). A few lines of
a kind are logged at once, after them one a second, which says how many were left out. Debug lines are not limited.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, MutableMapping
from typing import Any

import structlog

from shared.domain.buckets import Buckets
from shared.telemetry.metrics import LINES_SUPPRESSED

_MOST_KINDS = 1000


class LineLimit:
    """A processor of structlog, and a filter of handlers of `logging`.

    Args:
        burst: lines of one kind that are logged at once.
    """

    def __init__(self, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = Buckets(1.0, burst, most_keys=_MOST_KINDS, clock=clock)
        self._left_out: dict[Hashable, int] = {}

    def __call__(self, _logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Raises structlog.DropEvent for a line that is left out."""
        if name == "debug":
            return event
        left_out = self._judge((name, str(event.get("event"))[:200]))
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            event["suppressed"] = left_out
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line of the standard library is logged."""
        left_out = self._judge((record.name, record.levelno, str(record.msg)[:200]))
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more lines like this were suppressed)", None
        return left_out is not None

    def _judge(self, kind: Hashable) -> int | None:
        """How many lines of the kind were left out before this one; None if it is left out, too."""
        if self._buckets.take(kind) > 0:
            LINES_SUPPRESSED.inc()
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            if len(self._left_out) > _MOST_KINDS:
                self._left_out.pop(next(iter(self._left_out)))
            return None
        return self._left_out.pop(kind, 0)
