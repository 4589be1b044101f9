"""Time as an argument: code gets a clock, which tests can control.

Rule: the clock of a service is that of its database, against which deadlines and leases are written. It goes on by a
clock that is never set, so a machine whose own time is wrong, or jumps, decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
# The database's time at a moment of the clock that is never set; None until it is known.
_base: list[tuple[datetime, float] | None] = [None]


def utc_now() -> datetime:
    """The current time, with time zone UTC: the database's once it is followed, this machine's before."""
    if (base := _base[0]) is None:
        return datetime.now(UTC)
    return base[0] + timedelta(seconds=time.monotonic() - base[1])


def follow(now: datetime, asked: float, answered: float) -> timedelta:
    """Follow another clock from now on.

    Args:
        now: its time, read between `asked` and `answered`, which are of `time.monotonic()`.

    Returns:
        How far this machine's own time is ahead of it.
    """
    _base[0] = (now.astimezone(UTC), (asked + answered) / 2)
    return datetime.now(UTC) - utc_now()


def unfollow() -> None:
    """Go by this machine's time again."""
    _base[0] = None
