"""Token buckets by key."""

from __future__ import annotations

import pytest

from shared.domain.buckets import Buckets


def test_a_burst_then_the_rate() -> None:
    now = [100.0]
    buckets = Buckets(2, 3, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait("a") == 0.5
    assert buckets.take("b") == 0
    now[0] += 0.5
    assert [buckets.take("a"), buckets.take("a")] == [0, 0.5]
    now[0] += 100
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_to_look_takes_nothing() -> None:
    buckets = Buckets(1, 1, clock=lambda: 0)
    assert [buckets.wait("a"), buckets.wait("a"), buckets.take("a")] == [0, 0, 0]
    assert buckets.wait("a") == pytest.approx(1)


def test_the_number_of_keys_is_bounded() -> None:
    buckets = Buckets(1, 1, most_keys=3, clock=lambda: 0)
    for key in "abcd":
        assert buckets.take(key) == 0
    assert len(buckets) == 3
    assert buckets.take("d") > 0
    assert buckets.take("a") == 0  # forgotten
