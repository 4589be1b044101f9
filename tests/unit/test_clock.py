"""The clock of a process that follows its database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.clock import follow, unfollow, utc_now


@pytest.fixture(autouse=True)
def own_time() -> Iterator[None]:
    yield
    unfollow()


def test_it_is_this_machines_time_until_another_is_known() -> None:
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(seconds=1)


@pytest.mark.parametrize("minutes", [-70, 0, 70])
def test_it_follows_and_says_how_far_this_machine_is_ahead(minutes: int) -> None:
    theirs = datetime.now(UTC) - timedelta(minutes=minutes)
    ahead = follow(theirs, time.monotonic(), time.monotonic())
    assert abs(ahead - timedelta(minutes=minutes)) < timedelta(seconds=1)
    first = utc_now()
    assert abs(first - theirs) < timedelta(seconds=1)
    assert first.utcoffset() == timedelta(0)
    time.sleep(0.05)
    assert timedelta(0) < utc_now() - first < timedelta(seconds=1)
