"""Lines of one kind are limited, whoever logs them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import structlog

from shared.telemetry.quiet import LineLimit


def test_lines_of_one_kind() -> None:
    now = [0.0]
    limit = LineLimit(2, clock=lambda: now[0])

    def said(event: str, level: str = "warning") -> dict[str, Any] | None:
        try:
            return dict(limit(None, level, {"event": event}))
        except structlog.DropEvent:
            return None

    assert [said("a"), said("a"), said("a"), said("a")] == [{"event": "a"}, {"event": "a"}, None, None]
    assert said("b") == {"event": "b"}
    assert said("a", "error") == {"event": "a"}
    assert all(said("a", "debug") for _ in range(100))
    now[0] += 1
    assert [said("a"), said("a")] == [{"event": "a", "suppressed": 2}, None]


def test_lines_of_the_standard_library(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    limit = LineLimit(1, clock=lambda: now[0])
    logger = logging.getLogger("tests.quiet")
    handler = caplog.handler
    handler.addFilter(limit)
    try:
        for number in range(1000):
            logger.warning("out of %s", number)
        now[0] += 1
        logger.warning("out of %s", "files")
    finally:
        handler.removeFilter(limit)
    assert [record.getMessage() for record in caplog.records] == [
        "out of 0",
        "out of files (999 more lines like this were suppressed)",
    ]
