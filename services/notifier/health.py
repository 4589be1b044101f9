"""What is known about a receiver, and how fast it is served: pure functions.

Rule: a receiver that failed `FAILING_AFTER` times in a row gets one request at a time, after pauses of up to five
minutes; its other deliveries wait without using up their attempts. After its first success, deliveries that wait are
sent at a rate that begins at one a second and doubles every ten seconds up to the limit of the settings, until none is
left. So a receiver that was down for a day is not flooded. The limit itself doubles every ten minutes, so that a
backlog to which more is added all the time comes to an end too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FAILING_AFTER = 3
PAUSES = (5.0, 15.0, 60.0, 150.0, 300.0)
LONGEST_HOLD = 3600.0
_THROTTLED = frozenset({429, 503})
_DOUBLES_EVERY = 10.0
_FIRST_RATE = 1.0
_LIMIT_DOUBLES_EVERY = 600.0


@dataclass(frozen=True, slots=True)
class Health:
    """The columns of `webhooks` with the same names."""

    failures: int = 0
    failing_since: datetime | None = None
    last_error: str | None = None
    troubled: bool = False
    recovered_at: datetime | None = None
    held_until: datetime | None = None

    @property
    def failing(self) -> bool:
        return self.failures >= FAILING_AFTER


def after_success(health: Health, now: datetime) -> Health:
    """After a response of 2xx."""
    recovered = now if health.failing else health.recovered_at
    return replace(health, failures=0, failing_since=None, recovered_at=recovered, held_until=None)


def after_failure(
    health: Health, now: datetime, error: str, *, status: int | None = None, retry_after: float | None = None
) -> Health:
    """After an attempt that failed.

    Args:
        error: why, for the user.
        retry_after: seconds that the receiver asked for; the whole webhook waits if it says that it is overloaded.
    """
    failures = health.failures + 1
    pause = 0.0
    if failures >= FAILING_AFTER:
        pause = PAUSES[min(failures - FAILING_AFTER, len(PAUSES) - 1)]
    if status in _THROTTLED and retry_after is not None:
        pause = max(pause, min(retry_after, LONGEST_HOLD))
    return replace(
        health,
        failures=failures,
        failing_since=health.failing_since or now,
        last_error=error,
        troubled=health.troubled or failures >= FAILING_AFTER,
        recovered_at=None if failures >= FAILING_AFTER else health.recovered_at,
        held_until=now + timedelta(seconds=pause) if pause else health.held_until,
    )


def should_disable(health: Health, now: datetime, after: timedelta) -> bool:
    """Whether no attempt has succeeded for so long that the webhook is disabled."""
    return health.failing_since is not None and now - health.failing_since >= after


def spacing(health: Health, now: datetime, highest_rate: float) -> float:
    """Seconds between two deliveries; 0 if the receiver has nothing to catch up with.

    Args:
        highest_rate: deliveries a second after the first minute.
    """
    if health.recovered_at is None:
        return 0.0
    elapsed = max(0.0, (now - health.recovered_at).total_seconds())
    ramp = _FIRST_RATE * math.exp2(min(elapsed / _DOUBLES_EVERY, 30.0))
    limit = highest_rate * math.exp2(min(elapsed / _LIMIT_DOUBLES_EVERY, 30.0))
    return 1.0 / min(ramp, limit)
