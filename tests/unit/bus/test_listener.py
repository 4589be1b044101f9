"""What becomes of notifications whose effects cannot be stored, and of log lines about them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
import structlog
from structlog.testing import capture_logs

from shared.bus.notifications import NotificationListener, Source
from shared.bus.oslo import Notification
from shared.domain.errors import TemporaryError
from shared.telemetry.sparse import SparseLog


def told(*ids: str) -> list[Notification]:
    return [Notification(each, "x.end", {}) for each in ids]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return found


async def test_one_that_fails_is_dropped_and_the_others_are_stored(pauses: list[float]) -> None:
    stored: list[str] = []

    async def handle(batch: Sequence[Notification]) -> None:
        if any(each.id == "bad" for each in batch):
            raise ValueError("it cannot be stored")
        stored.extend(each.id for each in batch)

    await NotificationListener(Source("", []), handle)._handle(told("a", "bad", "b"))
    assert stored == ["a", "b"]
    assert sum(pauses) < 10


async def test_while_the_database_is_away_they_wait(pauses: list[float]) -> None:
    stored: list[str] = []

    async def handle(batch: Sequence[Notification]) -> None:
        if len(pauses) < 30:
            raise TemporaryError("away")
        stored.extend(each.id for each in batch)

    await NotificationListener(Source("", []), handle)._handle(told("a", "b"))
    assert stored == ["a", "b"]
    assert max(pauses) == 5.0


def test_one_line_of_a_kind_in_a_second() -> None:
    with capture_logs() as lines:
        sparse = SparseLog(structlog.get_logger())
        for number in range(1000):
            sparse.warning("unreadable", number=number)
        sparse.warning("other")
        sparse._next.clear()
        sparse.warning("unreadable", number=1000)
    assert [(line["event"], line.get("number"), line.get("left_out")) for line in lines] == [
        ("unreadable", 0, None),
        ("other", None, None),
        ("unreadable", 1000, 999),
    ]
