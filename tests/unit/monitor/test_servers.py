"""Which of Nova's notifications concern a node, in both of its formats."""

from __future__ import annotations

from typing import Any

import pytest

from services.monitor.servers import ServerHint, server_hint
from shared.bus.oslo import Notification

FLAT = {"instance_id": "s1", "tenant_id": "p1", "state": "active"}
NESTED = {"nova_object.name": "InstanceActionPayload", "nova_object.data": {"uuid": "s1", "tenant_id": "p1"}}


def changed_server(event: str, payload: dict[str, Any]) -> str | None:
    found = server_hint(Notification("m1", event, payload))
    return found.server_id if found else None


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


REQUEST = {"nova_object.name": "RequestSpecPayload", "nova_object.data": {"project_id": "p1", "instance_uuid": "s1"}}


def test_no_valid_host_is_told_by_the_conductor_with_the_project_in_its_request() -> None:
    data = {"instance_uuid": "s1", "state": "error", "reason": {}, "request_spec": REQUEST}
    told = Notification("m1", "compute_task.build_instances.error", {"nova_object.data": data})
    assert server_hint(told) == ServerHint("s1", "p1", unbuilt=True, fatal=True)
    moved = Notification("m1", "compute_task.migrate_server.error", {"nova_object.data": data})
    assert server_hint(moved) == ServerHint("s1", "p1", unbuilt=False, fatal=True)


def test_what_the_node_of_a_server_fails_from_is_looked_at_until_nova_shows_it() -> None:
    def hint(event: str, **data: Any) -> ServerHint | None:
        return server_hint(Notification("m1", event, {"nova_object.data": {"uuid": "s1", "tenant_id": "p1"} | data}))

    assert hint("instance.delete.end") == ServerHint("s1", "p1", fatal=True)
    assert hint("instance.rebuild.end") == ServerHint("s1", "p1", fatal=True)
    assert hint("instance.power_off.end") == ServerHint("s1", "p1")
    assert hint("instance.create.error") == ServerHint("s1", "p1", unbuilt=True, fatal=True)
    in_error = {"nova_object.data": {"state": "error", "old_state": "building"}}
    assert hint("instance.update", state_update=in_error) == ServerHint("s1", "p1", unbuilt=True, fatal=True)
    stopped = {"nova_object.data": {"state": "stopped"}}
    assert hint("instance.update", state_update=stopped) == ServerHint("s1", "p1")
