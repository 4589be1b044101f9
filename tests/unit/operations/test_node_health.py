"""The health of one node, and which heartbeats are news."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from shared.operations.node_health import healthy_of, shown_health, states_of
from shared.operations.reports import is_news, is_recorded

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
BEAT = 60.0


def node(**columns: Any) -> Any:
    known = {
        "state": "joined", "reason": None, "server_id": "s1", "server_status": "ACTIVE", "removal_id": None,
        "health": {"healthy": True}, "last_report_at": NOW - timedelta(seconds=30), "loss": None, "silent": False,
    }  # fmt: skip
    return SimpleNamespace(**{**known, **columns})


def test_the_last_report_counts_for_three_heartbeats() -> None:
    assert shown_health(node(), NOW, BEAT) == {"healthy": True}
    assert shown_health(node(last_report_at=NOW - timedelta(seconds=180)), NOW, BEAT) == {"healthy": True}
    assert shown_health(node(last_report_at=NOW - timedelta(seconds=181)), NOW, BEAT) == {
        "healthy": None, "reason": "no report since 2026-11-22T08:56:59+00:00",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"state": "failed", "reason": "server s1 does not exist any more"}, "server s1 does not exist any more"),
        ({"state": "failed"}, "failed"),
        ({"server_status": "SHUTOFF"}, "server s1 is in status SHUTOFF"),
        ({"server_status": "PAUSED"}, "server s1 is in status PAUSED"),
        ({"state": "announced", "removal_id": "x"}, "the machine was relaunched and has not joined again"),
    ],
)
def test_what_the_node_said_last_does_not_count_when_its_machine_does_not_work(
    columns: dict[str, Any], reason: str
) -> None:
    assert shown_health(node(**columns), NOW, BEAT) == {"healthy": False, "reason": reason}


@pytest.mark.parametrize("health", [{}, {"healthy": 1}, {"healthy": "yes"}, {"states": [1]}, {"states": {"a": 1}}])
def test_agents_may_send_anything(health: dict[str, Any]) -> None:
    assert healthy_of(health) is None
    assert states_of(health) == {}


def test_states_are_bounded() -> None:
    many = {f"n{number}.Ready": "False" for number in range(500)}
    assert len(states_of({"states": many})) == 100
    assert states_of({"states": {"a": "x" * 201, "b": "ok"}}) == {"b": "ok"}


def test_a_heartbeat_that_says_the_same_is_no_news_and_recorded_every_second_time() -> None:
    same = {"healthy": True}
    assert not is_news(node(), same)
    for seconds, recorded in ((60, True), (89, True), (90, False), (120, False)):
        assert is_recorded(node(last_report_at=NOW - timedelta(seconds=seconds)), same, NOW, BEAT) is recorded


@pytest.mark.parametrize(
    "columns", [{"silent": True}, {"loss": "agent", "state": "failed"}, {"server_status": "SHUTOFF"}]
)
def test_the_voice_of_a_node_that_was_thought_not_to_work_is_news(columns: dict[str, Any]) -> None:
    assert is_news(node(**columns), {"healthy": True})


def test_a_changed_health_is_news_of_a_member_only() -> None:
    assert is_news(node(), {"healthy": False})
    assert not is_news(node(state="announced"), {"healthy": False})
