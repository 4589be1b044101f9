"""What follows an attempt: the retry schedule, as a pure function.

Rule: the schedule is that of Standard Webhooks (immediately, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h)
unless the settings give another one. Delays vary by a fifth, so that deliveries that failed together are not repeated
together. A receiver can lengthen a delay with `Retry-After`, but not beyond a day, and cannot shorten it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

JITTER = 0.2
LONGEST_RETRY_AFTER = 86400.0


class Next(StrEnum):
    """What happens to a delivery after an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    EXHAUSTED = "exhausted"
    GONE = "gone"  # the receiver wants no more events: the webhook is disabled


@dataclass(frozen=True, slots=True)
class Decision:
    """`delay`: seconds until the next attempt, only for RETRY."""

    next: Next
    delay: float = 0.0


def decide(
    status: int | None, tries: int, schedule: Sequence[float], *, chance: float, retry_after: float | None = None
) -> Decision:
    """What follows an attempt.

    Args:
        status: the response's; None if there was none.
        tries: number of attempts of the schedule that were made, including this one.
        schedule: seconds between attempts.
        chance: uniform in [0, 1), for the jitter.
        retry_after: seconds that the receiver asked for.
    """
    if status is not None and 200 <= status < 300:
        return Decision(Next.DELIVERED)
    if status == 410:
        return Decision(Next.GONE)
    if tries > len(schedule):
        return Decision(Next.EXHAUSTED)
    delay = schedule[tries - 1] * (1 - JITTER + 2 * JITTER * chance)
    return Decision(Next.RETRY, max(delay, min(retry_after or 0.0, LONGEST_RETRY_AFTER)))


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for; None if there is none, or it is malformed."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
