"""Time as an argument: code gets a clock, which tests can control."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The current time, with time zone UTC."""
    return datetime.now(UTC)
