"""What follows from Nova's answer about the server of a node."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.cloud.types import Server
from shared.operations.server_findings import Finding, Found, Known, is_stopped, judge

THEN = datetime(2026, 11, 22, 9, tzinfo=UTC)
LATER = THEN + timedelta(minutes=5)
NODE = Known("s1", "joined", launched_at=THEN, announced_at=THEN + timedelta(seconds=30))
SERVER = Server("s1", "c-worker-0", "ACTIVE", launched_at=THEN)


def test_a_server_as_it_was_is_no_news() -> None:
    assert judge(NODE, SERVER) == Finding("ACTIVE", THEN)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (None, "server s1 does not exist any more"),
        (replace(SERVER, status="SOFT_DELETED"), "server s1 was deleted"),
        (replace(SERVER, status="DELETED"), "server s1 was deleted"),
        (replace(SERVER, deleting=True), "server s1 was deleted"),
        (replace(SERVER, status="ERROR", fault="No valid host"), "server s1 is in status ERROR: No valid host"),
        (replace(SERVER, status="ERROR"), "server s1 is in status ERROR: Nova gives no fault"),
    ],
)
@pytest.mark.parametrize("state", ["creating", "announced", "joined", "failed"])
def test_what_is_gone_or_in_error_is_lost_once(server: Server | None, reason: str, state: str) -> None:
    found = judge(replace(NODE, state=state), server)
    assert (found.outcome, found.reason) == (Found.LOST, reason)
    assert judge(replace(NODE, state="failed", loss="machine"), server).outcome is None


@pytest.mark.parametrize("status", ["SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED", "SHELVED_OFFLOADED", "UNKNOWN"])
def test_what_is_stopped_is_not_lost(status: str) -> None:
    assert judge(NODE, replace(SERVER, status=status)) == Finding(status, THEN)
    assert is_stopped(status)


@pytest.mark.parametrize("status", ["REBUILD", "RESIZE", "BUILD", "MIGRATING"])
def test_a_machine_between_two_lives_is_left_alone(status: str) -> None:
    assert judge(NODE, replace(SERVER, status=status, launched_at=LATER)) == Finding(status, THEN)


def test_a_later_launch_is_a_new_machine_until_its_agent_has_called() -> None:
    again = replace(SERVER, launched_at=LATER)
    found = judge(NODE, again)
    assert (found.outcome, found.launched_at) == (Found.RELAUNCHED, LATER)
    assert judge(replace(NODE, last_report_at=LATER + timedelta(seconds=1)), again).outcome is Found.RELAUNCHED
    assert judge(replace(NODE, last_report_at=LATER + timedelta(minutes=2)), again) == Finding("ACTIVE", LATER)
    # Another look, whose answer is older than what is stored.
    assert judge(replace(NODE, launched_at=LATER), SERVER).outcome is None


def test_before_the_first_look_the_announcement_is_what_a_launch_is_compared_with() -> None:
    unknown = replace(NODE, launched_at=None)
    assert judge(unknown, SERVER) == Finding("ACTIVE", THEN)
    assert judge(unknown, replace(SERVER, launched_at=LATER)).outcome is Found.RELAUNCHED
    silent = replace(unknown, announced_at=None, state="creating")
    assert judge(silent, replace(SERVER, launched_at=LATER)) == Finding("ACTIVE", None)


def test_what_was_lost_and_is_there_again_has_to_call() -> None:
    found = judge(replace(NODE, state="failed", loss="machine"), SERVER)
    assert (found.outcome, found.reason) == (Found.BACK, "server s1 is in status ACTIVE again")
    assert judge(replace(NODE, state="failed", loss="agent"), SERVER).outcome is None
