"""Volumes for containers: on which machines of an engine they are, and that these mount them where they are used."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest

from jeroboam.driver import MASTER, WORKER, Bootstrap
from jeroboam.testing.cases import Case, make_case
from tests.unit.stacks.test_networks import DRIVERS

PLACES = {
    "kubernetes": ({MASTER, WORKER}, "/var/lib/containerd", "containerd"),
    "swarm": ({MASTER, WORKER}, "/var/lib/docker", "docker"),
    "mesos": ({WORKER}, "/var/lib/docker", "docker"),
    "dcos": ({WORKER}, "/var/lib/docker", "docker"),
}


def variables(case: Case, role: str) -> dict[str, str]:
    """node.env of a node."""
    joined = case.all_joined()
    found = case.engine.bootstrap(joined.context(next(node for node in joined.nodes if node.role == role)))
    assert isinstance(found, Bootstrap)
    text = next(file["content"] for file in found.files if file["path"] == "/etc/jeroboam/node.env")
    pairs: Any = (shlex.split(line)[0].split("=", 1) for line in text.splitlines())
    return dict(pairs)


@pytest.mark.parametrize("engine", DRIVERS)
@pytest.mark.parametrize("role", [MASTER, WORKER])
def test_machines_that_run_containers_have_one(engine: str, role: str) -> None:
    roles, directory, service = PLACES[engine]
    case = make_case(DRIVERS[engine], "octavia").with_labels(docker_volume_type="ssd")
    case = replace(
        case,
        masters=replace(case.masters, docker_volume_size=40),
        workers=replace(case.workers, docker_volume_size=40),
    )
    shard: Any = case.shard(role)["resources"]
    volumes = [body["properties"] for body in shard.values() if body["type"] == "OS::Cinder::Volume"]
    attached = [body for body in shard.values() if body["type"] == "OS::Cinder::VolumeAttachment"]
    nodes = [node for node in case.nodes if node.role == role]
    found = variables(case, role)
    if role in roles:
        assert [(each["size"], each["volume_type"]) for each in volumes] == [(40, "ssd")] * len(nodes)
        assert len(attached) == len(nodes)
        wanted = ("40", directory, service)
    else:
        assert volumes == attached == []
        wanted = ("", directory, service)
    names = ("CONTAINER_VOLUME_GIB", "CONTAINER_DIRECTORY", "CONTAINER_SERVICE")
    assert tuple(found[name] for name in names) == wanted
