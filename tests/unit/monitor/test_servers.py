"""Which of Nova's notifications concern a node, in both of its formats."""

from __future__ import annotations

from typing import Any

import pytest

from services.monitor.servers import changed_server

FLAT = {"instance_id": "s1", "tenant_id": "p1", "state": "active"}
NESTED = {"nova_object.name": "InstanceActionPayload", "nova_object.data": {"uuid": "s1", "tenant_id": "p1"}}


@pytest.mark.parametrize(
    "event",
    [
        *("delete.end", "soft_delete.end", "shutdown.end", "power_off.end", "power_on.end", "rebuild.end"),
        *("pause.end", "unpause.end", "suspend.end", "resume.end", "unshelve.end", "rebuild.error", "resize.error"),
    ],
)
def test_what_happens_to_a_machine_is_a_reason_to_look(event: str) -> None:
    assert changed_server(f"instance.{event}", NESTED) == "s1"
    assert changed_server(f"compute.instance.{event}", FLAT) == "s1"


@pytest.mark.parametrize(
    "event", ["instance.create.end", "instance.delete.start", "compute.instance.exists", "scheduler.select.end", ""]
)
def test_everything_else_is_not(event: str) -> None:
    assert changed_server(event, NESTED) is None
    assert changed_server(event, FLAT) is None


def test_an_update_is_one_if_the_new_state_is() -> None:
    assert changed_server("compute.instance.update", FLAT) is None
    assert changed_server("compute.instance.update", {**FLAT, "state": "error"}) == "s1"
    update = {"nova_object.data": {"state": "error", "old_state": "active"}}
    nested = {"nova_object.data": {"uuid": "s1", "state_update": update}}
    assert changed_server("instance.update", nested) == "s1"
    assert changed_server("instance.update", {"nova_object.data": {"uuid": "s1", "state_update": None}}) is None


@pytest.mark.parametrize("payload", [{}, {"uuid": 3}, {"nova_object.data": "x"}, {"uuid": "x" * 65}])
def test_a_payload_of_another_form_is_ignored(payload: dict[str, Any]) -> None:
    assert changed_server("instance.delete.end", payload) is None
