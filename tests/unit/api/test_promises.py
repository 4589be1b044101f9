"""What accepted requests still need counts against quotas, until the cloud counts it."""

from __future__ import annotations

import pytest

from services.api.preflight.judge import Problem, judge_quotas
from services.api.preflight.promises import Promises
from shared.cloud.types import QuotaLine


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def promises(clock: Clock) -> Promises:
    return Promises(60, clock)


def lines(used: int = 0, ports: int = 0) -> dict[str, QuotaLine]:
    return {"instances": QuotaLine("instances", 10, used), "port": QuotaLine("port", -1, ports)}


def promised(promises: Promises, used: int = 0, project: str = "p") -> int:
    return promises.counted(project, lines(used))["instances"].promised


def test_a_promise_counts_like_use(promises: Promises) -> None:
    promises.make("p", "c1", {"instances": 4, "port": 9, "cores": 1}, lines(2))
    counted = promises.counted("p", lines(2))
    assert counted["instances"] == QuotaLine("instances", 10, 2, 4)
    assert judge_quotas({"instances": 4, "port": 100}, counted) == []
    text = "Quota exceeded for instances: 5 needed, 2 of 10 in use, 4 needed by requests that were just accepted."
    assert judge_quotas({"instances": 5}, counted) == [Problem(403, text)]
    assert promised(promises, project="other") == 0


def test_what_the_cloud_counts_is_no_longer_promised(promises: Promises, clock: Clock) -> None:
    promises.make("p", "c1", {"instances": 4}, lines(2))
    clock.now = 1
    promises.make("p", "c2", {"instances": 3}, lines(2))
    clock.now = 2
    promises.reported("p", lines(5), asked_at=2)
    assert promised(promises) == 4
    promises.reported("p", lines(9), asked_at=2)
    assert promised(promises) == 0
    # Deleted resources make room; they keep no promise.
    promises.make("p", "c3", {"instances": 1}, lines(9))
    promises.reported("p", lines(1), asked_at=2)
    assert promised(promises) == 1


def test_an_answer_from_before_the_promise_does_not_keep_it(promises: Promises, clock: Clock) -> None:
    promises.make("p", "c0", {"instances": 1}, lines(0))
    clock.now = 5
    promises.make("p", "c1", {"instances": 4}, lines(0))
    promises.reported("p", lines(3), asked_at=4.9)
    assert promised(promises) == 4


def test_a_promise_ends_with_its_time(promises: Promises, clock: Clock) -> None:
    promises.make("p", "c1", {"instances": 4}, lines())
    clock.now = 30
    promises.make("p", "c2", {"instances": 2}, lines())
    promises.make("q", "c3", {"instances": 1}, lines())
    clock.now = 60
    assert promised(promises) == 2
    clock.now = 90
    assert promised(promises) == 0
    assert not promises._projects


def test_a_request_that_fails_after_its_promise_ended_changes_nothing(promises: Promises, clock: Clock) -> None:
    slow = promises.make("p", "c1", {"instances": 4}, lines())
    clock.now = 61
    promises.make("p", "c2", {"instances": 3}, lines())
    with pytest.raises(ValueError, match="late"), slow:
        raise ValueError("late")
    assert promised(promises) == 3


def test_a_promise_that_is_not_kept_is_withdrawn(promises: Promises) -> None:
    with promises.make("p", "c1", {"instances": 4}, lines()):
        assert promised(promises) == 4
    assert promised(promises) == 4
    with pytest.raises(ValueError, match="no"), promises.make("p", "c2", {"instances": 2}, lines()):
        raise ValueError("no")
    assert promised(promises) == 4
    promises.forget_cluster("p", "c1")
    assert promised(promises) == 0
    promises.forget_cluster("never seen", "c1")
