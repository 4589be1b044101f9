"""Decides what follows a failed attempt: a pure function of policy, failure, attempts and time.

Rule: time and randomness are arguments, so that every case can be tested.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.errors import PermanentError, TemporaryError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The retry policy of a step. Durations are in seconds.

    Args:
        first_delay: delay after the first temporary failure.
        max_delay: maximum delay.
        unexpected_attempts: number of attempts after which an unexpected error (probably a bug) is final.
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
        policy: the retry policy.
        failure: the exception.
        attempts: number of failed attempts of this step, including this one (>= 1).
        seconds_left: seconds until the operation's deadline; None if it has none.
        jitter: a random number in [0, 1); spreads retries over [0.5, 1.0] of the delay.

    Returns:
        RetryLater with the seconds to wait, or GiveUp with the reason to show the user. Temporary failures are retried
        until the deadline, so a 503 from OpenStack alone never fails an operation.
    """
    reason = str(failure) or type(failure).__name__
    if isinstance(failure, PermanentError):
        return GiveUp(reason)
    if not isinstance(failure, TemporaryError) and attempts >= policy.unexpected_attempts:
        return GiveUp(f"{reason} ({attempts} attempts)")
    if seconds_left is not None and seconds_left <= 0:
        return GiveUp(f"deadline passed; last error: {reason}")
    exponential = min(policy.max_delay, policy.first_delay * 2 ** min(attempts - 1, 30))
    asked = failure.delay if isinstance(failure, TemporaryError) else None
    # The delay requested by the service is the minimum; jitter spreads the retries of many clusters.
    delay = max(asked or 0.0, exponential * (0.5 + jitter / 2))
    if seconds_left is not None:
        delay = min(delay, seconds_left)
    return RetryLater(delay)
