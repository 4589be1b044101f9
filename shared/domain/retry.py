"""What follows a failed attempt: a pure function of policy, failure, attempts and time.

Rule: no clock and no randomness of its own (both are arguments), so every case is a line in a table test.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.errors import PermanentError, TemporaryError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a step is. Seconds throughout.

    Args:
        first_delay: wait after the first temporary failure.
        max_delay: the longest wait.
        unexpected_attempts: how often an unforeseen error (a bug, most likely) may repeat before it is final.
    """

    first_delay: float = 1.0
    max_delay: float = 60.0
    unexpected_attempts: int = 5


@dataclass(frozen=True, slots=True)
class RetryLater:
    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    reason: str


Decision = RetryLater | GiveUp


def decide(
    policy: RetryPolicy,
    failure: BaseException,
    *,
    attempts: int,
    seconds_left: float | None,
    jitter: float,
) -> Decision:
    """Decide what follows a failed attempt.

    Args:
        policy: how patient to be.
        failure: what was raised.
        attempts: failed attempts of this step so far, this one included (>= 1).
        seconds_left: until the operation's deadline; None when it has none.
        jitter: a random number in [0, 1); spreads retries over [0.5, 1.0] of the delay.

    Returns:
        RetryLater with the seconds to wait, or GiveUp with the reason to show the user. A temporary failure is only
        given up at the deadline, so a 503 from OpenStack never fails a cluster by itself.
    """
    reason = str(failure) or type(failure).__name__
    if isinstance(failure, PermanentError):
        return GiveUp(reason)
    if not isinstance(failure, TemporaryError) and attempts >= policy.unexpected_attempts:
        return GiveUp(f"{reason} ({attempts} attempts)")
    if seconds_left is not None and seconds_left <= 0:
        return GiveUp(f"deadline passed; last obstacle: {reason}")
    exponential = min(policy.max_delay, policy.first_delay * 2 ** min(attempts - 1, 30))
    asked = failure.delay if isinstance(failure, TemporaryError) else None
    # What the other side asked for is a floor; jitter keeps a thousand clusters from coming back in one moment.
    delay = max(asked or 0.0, exponential * (0.5 + jitter / 2))
    if seconds_left is not None:
        delay = min(delay, seconds_left)
    return RetryLater(delay)
