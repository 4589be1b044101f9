"""The containers of deploy/: the main job, crashes, instances, and how they end. The tests continue one another."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.compose.conftest import Stack
from tests.compose.engine import mounts_below, processes_naming

pytestmark = [pytest.mark.timeout(900)]

PROCESSES = ("api", "provisioner", "scaler", "upgrader", "monitor", "notifier")
# What Jeroboam adds to its base image. python:3.13-slim has about 125 MB, which leaves the whole below 250 MB.
LAYER_MB = 120


def test_the_files_are_accepted(stack: Stack) -> None:
    for profiles in ("sandbox", "sandbox,observability", ""):
        stack.run(
            "env",
            f"COMPOSE_PROFILES={profiles}",
            "docker",
            "compose",
            "-f",
            "deploy/docker-compose.yml",
            "config",
            "-q",
        )
    # DL3013, DL3008: the versions of pip's and apt's packages in a stage that is thrown away; DL3059: readability.
    stack.run("hadolint", "--ignore", "DL3008", "--ignore", "DL3059", "deploy/Dockerfile")


def test_the_image_is_small_and_has_no_compiler(stack: Stack) -> None:
    whole, base = (stack.engine.inspect(name) for name in (stack.image, stack.environment()["PYTHON_IMAGE"]))
    added = (whole["Size"] - base["Size"]) / 1e6
    print(f"{added:.0f} MB are added to the base image")
    assert added < LAYER_MB
    found = stack.engine.docker(
        "run", "--rm", "--network=none", "--read-only", stack.image, "bash", "-c",
        "id -u; type -P cc gcc ld as strip uv; jeroboam --help >/dev/null && echo runs",
    )  # fmt: skip
    assert found.split() == ["10001", "runs"]


def test_the_main_job_through_the_published_port(stack: Stack) -> None:
    said = stack.run("env", "KEEP=1", "scripts/compose-demo.sh")
    print(said)
    for words in ("CREATE_COMPLETE", "server: https://", "No cluster and no server is left"):
        assert words in said


def test_processes_are_confined_and_no_secret_is_in_an_environment(stack: Stack) -> None:
    for service in PROCESSES:
        found: Any = stack.engine.inspect(stack.containers(service)[0])
        host = found["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert found["Config"]["User"] == "10001:10001", service
        assert not [
            line
            for line in found["Config"]["Env"]
            if any(w in line for w in ("PASSWORD=", "_KEYS=", "_URL=amqp", "DATABASE_URL"))
        ]


def operation(stack: Stack, cluster: str) -> Any:
    """The newest operation of a cluster."""
    return stack.get(f"/v1/clusters/{cluster}/operations?limit=1", stack.token())["operations"][0]


def test_every_container_is_killed_once_and_nothing_is_lost(stack: Stack) -> None:
    stack.jeroboam(
        "cluster", "create", "killed", "--cluster-template", "k8s", "--master-count", "3", "--node-count", "9"
    )
    uuid = stack.listed("cluster", "list")[0]["uuid"]
    began = time.monotonic()
    for service in ("provisioner", "broker", "database", "api", "notifier", "monitor", "upgrader"):
        stack.kill(service)
    # The simulator keeps what it wrote half a second ago, so that it is no crash of the cloud's that is tested.
    stack.compose("restart", "cloud")
    last = datetime.now(UTC)
    print(f"killed within {time.monotonic() - began:.1f} s")
    stack.wait_healthy()
    create = operation(stack, uuid)
    stack.run("jeroboam", "operation", "wait", create["uuid"], seconds=300)
    create = operation(stack, uuid)
    assert create["state"] == "succeeded"
    assert datetime.fromisoformat(create["finished_at"]) > last, "everything was killed after the cluster was complete"

    stack.jeroboam("cluster", "resize", "killed", "12")
    stack.kill("scaler")
    stack.jeroboam("operation", "wait", operation(stack, uuid)["uuid"])
    print(f"created and resized within {time.monotonic() - began:.1f} s")

    shown = stack.get(f"/v1/clusters/{uuid}", stack.token())
    assert (shown["status"], shown["node_count"]) == ("UPDATE_COMPLETE", 12)
    nodes = stack.listed("cluster", "nodes", "killed")
    assert sorted(node["state"] for node in nodes) == ["joined"] * 15
    assert len(stack.run("openstack", "server", "list", "-f", "value", "-c", "ID").split()) == 15
    events = stack.get(f"/v1/events?cluster={uuid}&limit=1000", stack.token())["events"]
    assert sorted(int(event["sequence"]) for event in events) == list(range(1, len(events) + 1))
    command = ("jeroboam", "--format", "json", "dead-letter", "list")
    assert json.loads(stack.compose("exec", "-T", "monitor", *command)) == []


def test_three_provisioners(stack: Stack) -> None:
    stack.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "provisioner=3", "provisioner")
    names = {stack.engine.inspect(name)["Name"] for name in stack.containers("provisioner")}
    assert len(names) == 3
    for number in range(3):
        stack.jeroboam("cluster", "create", f"one-{number}", "--cluster-template", "k8s", "--node-count", "1")
    for name in ("one-0", "one-1", "one-2", "killed"):
        stack.jeroboam("cluster", "delete", name)
    deadline = time.monotonic() + 180
    while left := stack.listed("cluster", "list"):
        assert time.monotonic() < deadline, left
        time.sleep(1)
    assert stack.run("openstack", "server", "list", "-f", "value", "-c", "ID").split() == []


def test_stopping_is_graceful_and_leaves_nothing(stack: Stack) -> None:
    containers = {service: stack.containers(service) for service in (*PROCESSES, "database", "broker", "cloud")}
    began = time.monotonic()
    stack.compose("stop")
    print(f"stopped within {time.monotonic() - began:.1f} s")
    for service, names in containers.items():
        for name in names:
            state: Any = stack.engine.inspect(name)["State"]
            assert (state["ExitCode"], state["OOMKilled"]) == (0, False), service
    stack.compose("down", "--volumes")
    assert stack.engine.docker("ps", "--all", "--quiet") == ""
    assert stack.engine.docker("volume", "ls", "--quiet") == ""
    assert stack.engine.docker("network", "ls", "--quiet", "--filter", "type=custom") == ""
    stack.engine.stop()
    assert mounts_below(stack.engine.directory) == []
    assert processes_naming(str(stack.engine.directory)) == []
