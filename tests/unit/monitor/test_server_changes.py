"""Which of Nova's notifications are passed on as events, and with which words."""

from __future__ import annotations

from typing import Any

import pytest

from services.monitor.server_changes import ServerChange, server_change
from shared.bus.oslo import Notification


def versioned(event: str, **data: Any) -> Notification:
    return Notification("m1", event, {"nova_object.data": {"uuid": "s1", "state": "active"} | data})


@pytest.mark.parametrize("action", ["delete", "rebuild", "power_off", "resize.confirm", "evacuate", "reboot"])
def test_the_end_of_an_action_is_told(action: str) -> None:
    assert server_change(versioned(f"instance.{action}.end")) == ServerChange("m1", "s1", action, state="active")


def test_a_failure_is_told_with_its_reason() -> None:
    fault = {"nova_object.name": "ExceptionPayload", "nova_object.data": {"exception_message": "No space left"}}
    told = server_change(versioned("instance.rebuild.error", state="error", fault=fault))
    assert told == ServerChange("m1", "s1", "rebuild", failed=True, state="error", reason="No space left")


def test_an_update_is_told_only_when_the_server_gets_into_error() -> None:
    def update(old: str, new: str) -> ServerChange | None:
        states = {"nova_object.data": {"old_state": old, "state": new}}
        return server_change(versioned("instance.update", state_update=states))

    assert update("active", "error") == ServerChange("m1", "s1", "update", failed=True, state="error")
    assert update("error", "error") is None
    assert update("active", "stopped") is None


@pytest.mark.parametrize(
    "event", ["instance.shutdown.end", "instance.create.error", "instance.delete.start", "compute_task.x.error", ""]
)
def test_others_are_not(event: str) -> None:
    assert server_change(versioned(event)) is None


def test_the_unversioned_form_is_not() -> None:
    flat = {"instance_id": "s1", "state": "deleted"}
    assert server_change(Notification("m1", "compute.instance.delete.end", flat)) is None


@pytest.mark.parametrize(
    "data", [{"uuid": 3}, {"uuid": "x" * 65}, {"fault": "text"}, {"fault": {"nova_object.data": 1}}]
)
def test_other_forms_do_no_harm(data: dict[str, Any]) -> None:
    told = server_change(versioned("instance.delete.end", **data))
    assert told is None if "uuid" in data else told is not None


def test_texts_are_bounded() -> None:
    fault = {"exception_message": "x" * 5000}
    told = server_change(versioned("instance.rebuild.error", state="y" * 100, fault=fault))
    assert told is not None
    assert (len(told.state), len(told.reason)) == (64, 2000)
