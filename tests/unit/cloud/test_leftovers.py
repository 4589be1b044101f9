"""Whose a thing is: nothing of anybody else's may be listed, since what is listed may be deleted."""

from __future__ import annotations

from typing import Any

import pytest

from shared.cloud.leftovers import KINDS, EveryMark, mark
from shared.domain.errors import PermanentError

CLUSTER = "0195f3a8-0000-7000-8000-000000000001"
OTHER = "0195f3a8-0000-7000-8000-000000000002"


@pytest.mark.parametrize(
    ("item", "ours"),
    [
        ({"name": f"jeroboam-{CLUSTER}-net"}, True),
        ({"name": f"jeroboam-{OTHER}-net"}, False),
        ({"name": f"my-jeroboam-{CLUSTER}"}, False),
        ({"name": "", "tags": [f"jeroboam-cluster-{CLUSTER}"]}, True),
        ({"name": "", "tags": [f"jeroboam-cluster-{OTHER}", "x"]}, False),
        ({"name": "", "description": f"Kubernetes external service of cluster {CLUSTER}"}, True),
        ({"name": "", "description": None, "tags": None, "device_id": ""}, False),
        ({"name": "", "device_id": "server-1"}, True),
        ({"name": "", "device_id": "server-9"}, False),
        ({}, False),
    ],
)
def test_a_things_mark(item: dict[str, Any], ours: bool) -> None:
    assert mark(CLUSTER, ["server-1", ""]).owner(item) == (CLUSTER if ours else None)


@pytest.mark.parametrize(
    ("item", "owner"),
    [
        ({"name": f"jeroboam-{CLUSTER}-net"}, CLUSTER),
        ({"name": f"jeroboam-{CLUSTER}"}, CLUSTER),
        ({"name": f"jeroboam-{CLUSTER}0-net"}, None),
        ({"name": f"my-jeroboam-{CLUSTER}"}, None),
        ({"name": "", "tags": ["x", f"jeroboam-cluster-{OTHER}"]}, OTHER),
        ({"name": "jeroboam-tools", "tags": ["jeroboam"]}, None),
        ({"name": "x", "description": f"of cluster {CLUSTER}"}, None),
        ({}, None),
    ],
)
def test_the_mark_of_any_cluster(item: dict[str, Any], owner: str | None) -> None:
    assert EveryMark().owner(item) == owner


def test_no_id_marks_nothing() -> None:
    with pytest.raises(PermanentError):
        mark("", [])


def test_users_of_a_thing_come_before_the_thing() -> None:
    order = list(KINDS)
    for user, used in (
        ("stack", "server"),
        ("server", "port"),
        ("floating_ip", "router"),
        ("router", "port"),
        ("port", "subnet"),
        ("subnet", "network"),
        ("port", "security_group"),
        ("load_balancer", "port"),
    ):
        assert order.index(user) < order.index(used)
