"""Which deletes in Neutron and Octavia concern a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from services.monitor.networks import DeletedResource, deleted_resource
from shared.bus.oslo import Notification

CLUSTER = "0190a5d2-7c3e-4b6a-9d0e-3f1b5c7d9e01"


def found(event: str, payload: dict[str, Any]) -> DeletedResource | None:
    return deleted_resource(Notification("m1", event, payload))


@pytest.mark.parametrize("kind", ["network", "subnet", "router", "security_group"])
@pytest.mark.parametrize("name", [f"jeroboam-{CLUSTER}", f"jeroboam-{CLUSTER}-x"])
def test_names_say_whose_a_resource_was(kind: str, name: str) -> None:
    payload = {kind: {"id": "r1", "name": name}, f"{kind}_id": "r1"}
    assert found(f"{kind}.delete.end", payload) == DeletedResource(kind, "r1", name, CLUSTER)
    assert found(f"{kind}.delete.start", payload) is None
    assert found(f"{kind}.update.end", payload) is None


def test_a_load_balancer_is_told_of_by_octavia_without_a_level_of_its_own() -> None:
    payload = {"loadbalancer_id": "l1", "name": f"jeroboam-{CLUSTER}"}
    assert found("octavia.loadbalancer.delete.end", payload) == DeletedResource(
        "loadbalancer", "l1", f"jeroboam-{CLUSTER}", CLUSTER
    )


def test_a_port_belongs_to_its_server() -> None:
    port = {"id": "p1", "name": "demo-worker-0", "device_id": "s1", "device_owner": "compute:nova"}
    assert found("port.delete.end", {"port": port}) == DeletedResource("port", "p1", "demo-worker-0", None, "s1")
    assert found("port.delete.end", {"port": port | {"device_owner": "network:dhcp"}}) is None


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"port_id": "p1"},
        {"port": 3},
        {"port": {}},
        {"port": {"id": 3, "device_owner": "compute:x", "device_id": "s"}},
    ],
)
def test_other_forms_are_ignored(payload: dict[str, Any]) -> None:
    assert found("port.delete.end", payload) is None
