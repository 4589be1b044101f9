"""Time as an argument: product code asks a clock it was given, so tests can move it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, with its zone."""
    return datetime.now(UTC)
