from __future__ import annotations

import pytest

from shared.domain.errors import NotFound, PermanentError, TemporaryError
from shared.domain.retry import Decision, GiveUp, RetryLater, RetryPolicy, decide

POLICY = RetryPolicy(first_delay=1, max_delay=60, unexpected_attempts=3)


@pytest.mark.parametrize(
    ("failure", "attempts", "left", "jitter", "expected"),
    [
        (PermanentError("quota"), 1, 100.0, 0.0, GiveUp("quota")),
        (NotFound("flavor x"), 1, None, 0.0, GiveUp("flavor x")),
        (TemporaryError("503"), 1, None, 0.0, RetryLater(0.5)),
        (TemporaryError("503"), 1, None, 1.0, RetryLater(1.0)),
        (TemporaryError("503"), 4, None, 1.0, RetryLater(8.0)),
        (TemporaryError("503"), 500, None, 1.0, RetryLater(60.0)),
        (TemporaryError("429", delay=17), 1, None, 0.0, RetryLater(17)),
        (TemporaryError("429", delay=900), 1, 30.0, 0.0, RetryLater(30.0)),
        (TemporaryError("503"), 9, 0.0, 0.0, GiveUp("deadline passed; last error: 503")),
        (TemporaryError("503"), 9, -5.0, 0.0, GiveUp("deadline passed; last error: 503")),
        (KeyError("k"), 2, None, 1.0, RetryLater(2.0)),
        (KeyError("k"), 3, None, 1.0, GiveUp("'k' (3 attempts)")),
        (ValueError(), 3, None, 1.0, GiveUp("ValueError (3 attempts)")),
    ],
)
def test_what_follows(failure: Exception, attempts: int, left: float | None, jitter: float, expected: Decision) -> None:
    assert decide(POLICY, failure, attempts=attempts, seconds_left=left, jitter=jitter) == expected
