"""A real Docker Swarm cluster: 3 managers and 3 workers, from create to delete, as a user of the cloud sees it.

The tests run in order, on one cluster; each needs what the ones before it made.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.swarm.conftest import Lab

pytestmark = [pytest.mark.timeout(900)]
IMAGE = "sandbox/busybox:1"
NETWORK = "--floating-ip-disabled --master-lb-enabled --labels master_lb_floating_ip_enabled=true"
TEMPLATE = (
    f"--coe swarm --image ubuntu-24.04 --external-network public --flavor m1.small --master-flavor m1.small {NETWORK}"
)


def nodes(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lab.run("jeroboam --format json cluster nodes life"))
    return found


def swarm_nodes(lab: Lab) -> list[dict[str, str]]:
    return [json.loads(line) for line in lab.docker("node ls --format '{{json .}}'").splitlines()]


def until(what: str, check: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, what
        time.sleep(1)


def running(lab: Lab, service: str) -> list[str]:
    """Host names of the nodes on which tasks of a service run."""
    lines = lab.docker(f"service ps --filter desired-state=running --format '{{{{json .}}}}' {service}").splitlines()
    tasks = [json.loads(line) for line in lines]
    return [task["Node"] for task in tasks if task["CurrentState"].startswith("Running")]


def power_off(lab: Lab, name: str) -> None:
    """End a machine as a power failure does: all of its processes at once, and nothing is told."""
    (node,) = [node for node in nodes(lab) if node["name"] == name]
    machine = str(lab.machines / node["server_id"])
    found = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and machine in _command_line(entry) and "unshare" in _command_line(entry)
    ]
    assert found, f"{name} has no process"
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def _processes_of(machines: Path) -> list[str]:
    """Command lines of processes of the machines; the cloud itself names their directory as well."""
    found = [_command_line(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [line for line in found if f"{machines}/" in line]


def _command_line(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_create(lab: Lab) -> None:
    lab.run(f"openstack coe cluster template create swarm {TEMPLATE}")
    lab.run("openstack coe cluster create life --cluster-template swarm --master-count 3 --node-count 3")
    (operation,) = json.loads(lab.run("jeroboam --format json operation list --cluster life"))
    lab.run(f"jeroboam operation wait {operation['uuid']}")
    shown = json.loads(lab.run("openstack coe cluster show life -f json"))
    assert shown["status"] == "CREATE_COMPLETE", shown["status_reason"]
    assert shown["api_address"].startswith("tcp://") and shown["api_address"].endswith(":2376")
    lab.take_config("life")
    info = json.loads(lab.docker("info --format '{{json .Swarm}}'"))
    assert (info["Managers"], info["Nodes"], info["LocalNodeState"]) == (3, 6, "active")
    assert shown["coe_version"] == lab.docker("version --format '{{.Server.Version}}'").split("+")[0].strip()
    assert len({node["Hostname"] for node in swarm_nodes(lab)}) == 6


def test_the_configuration_of_the_command(lab: Lab) -> None:
    said = lab.run('eval "$(jeroboam cluster config life --env)"; docker info --format "{{.Swarm.Nodes}}"')
    assert said.strip() == "6"


def test_the_api_refuses_those_without_a_certificate(lab: Lab) -> None:
    address = lab.run(". ./docker.env; echo $DOCKER_HOST").strip().removeprefix("tcp://")
    refused = lab.run(f"curl --silent --show-error --insecure --max-time 5 https://{address}/info", status=None)
    assert "OperatingSystem" not in refused and "certificate" in refused


def test_a_service_and_a_container(lab: Lab) -> None:
    lab.docker(f"service create --detach --name web --replicas 6 --endpoint-mode dnsrr {IMAGE} sleep 100000")
    until("the service runs", lambda: len(running(lab, "web")) == 6)
    assert lab.docker(f"run --rm --network none {IMAGE} echo hello").strip() == "hello"


def test_up(lab: Lab) -> None:
    lab.run("jeroboam cluster resize life 4 --wait")
    assert len(swarm_nodes(lab)) == 7


def test_down_moves_tasks_first(lab: Lab) -> None:
    lab.run("jeroboam cluster resize life 2 --wait")
    assert len(swarm_nodes(lab)) == 5
    assert {node["Status"] for node in swarm_nodes(lab)} == {"Ready"}
    until("the service is complete again", lambda: len(running(lab, "web")) == 6)
    assert {node["state"] for node in nodes(lab)} == {"joined"}


def test_a_nodegroup_with_labels(lab: Lab) -> None:
    lab.run("jeroboam nodegroup create life fast --node-count 1 --node-label disk=ssd --wait")
    lab.docker(f"service create --detach --name disk --constraint node.labels.disk==ssd {IMAGE} sleep 100000")
    until("it runs where the label is", lambda: len(running(lab, "disk")) == 1)
    assert "fast" in running(lab, "disk")[0]
    lab.run("jeroboam nodegroup update life fast --node-label disk=hdd --node-taint full=yes:NoExecute --wait")
    (fast,) = [node for node in swarm_nodes(lab) if "fast" in node["Hostname"]]
    assert fast["Availability"] == "Drain"
    lab.run("jeroboam nodegroup delete life fast --wait")
    assert not [node for node in swarm_nodes(lab) if "fast" in node["Hostname"]]
    lab.docker("service rm disk")


def test_the_join_tokens_of_a_node_are_of_no_use_afterwards(lab: Lab) -> None:
    worker = next(node for node in nodes(lab) if node["role"] == "worker")
    machine = lab.machines / worker["server_id"]
    token = (machine / "upper/etc/jeroboam/join-token").read_text()
    assert token.startswith("SWMTKN-")
    assert token != lab.docker("swarm join-token --quiet worker").strip()


def test_a_worker_that_died_is_replaced_by_a_resize(lab: Lab) -> None:
    """Its server was deleted behind our back, so a resize to the same number replaces it without being told."""
    worker = next(node for node in nodes(lab) if node["role"] == "worker")
    lab.run(f"openstack server delete --wait {worker['server_id']}")
    lab.run("jeroboam cluster resize life 2 --wait")
    assert worker["name"] not in {node["Hostname"] for node in swarm_nodes(lab)}
    assert {node["Status"] for node in swarm_nodes(lab)} == {"Ready"}
    assert len(swarm_nodes(lab)) == 5


def test_a_manager_that_died_is_replaced_by_a_resize(lab: Lab) -> None:
    leader = next(node["Hostname"] for node in swarm_nodes(lab) if node["ManagerStatus"] == "Leader")
    power_off(lab, leader)
    until("the others have a leader", lambda: lab.docker("node ls", status=None).count("Leader") == 1)
    lab.run(f"jeroboam cluster resize life 3 --nodegroup default-master --remove {leader} --wait")
    managers = [node for node in swarm_nodes(lab) if node["ManagerStatus"]]
    assert leader not in {node["Hostname"] for node in swarm_nodes(lab)}
    assert len(managers) == 3
    assert {node["ManagerStatus"] for node in managers} == {"Leader", "Reachable"}
    until("the service is complete again", lambda: len(running(lab, "web")) == 6)


def test_a_manager_that_the_quorum_needs_stays(lab: Lab) -> None:
    managers = [node["name"] for node in nodes(lab) if node["role"] == "master"]
    even = lab.run("jeroboam cluster resize life 2 --nodegroup default-master", status=1)
    assert "cannot be an even number" in even
    unnamed = lab.run("jeroboam cluster resize life 1 --nodegroup default-master", status=1)
    assert "nodes_to_remove must name the 2 masters" in unnamed
    assert [node["name"] for node in nodes(lab) if node["role"] == "master"] == managers


def test_upgrade(lab: Lab) -> None:
    lab.run(f"openstack coe cluster template create newer {TEMPLATE},docker_version={lab.newer}")
    lab.run("jeroboam cluster upgrade life newer --wait")
    assert {node["version"] for node in nodes(lab)} == {lab.newer}
    lines = lab.docker("node ls --format '{{.EngineVersion}} {{.Availability}} {{.Status}}'").splitlines()
    assert {line.split("+")[0] for line in lines} == {lab.newer}
    assert {tuple(line.split()[1:]) for line in lines} == {("Active", "Ready")}
    shown = json.loads(lab.run("openstack coe cluster show life -f json"))
    assert (shown["status"], shown["coe_version"]) == ("UPDATE_COMPLETE", lab.newer)
    until("the service is complete again", lambda: len(running(lab, "web")) == 6)


def test_rotation(lab: Lab) -> None:
    before = json.loads(lab.docker("info --format '{{json .Swarm.Cluster.TLSInfo}}'"))["TrustRoot"]
    lab.run("jeroboam cluster rotate-ca life --wait")
    refused = lab.docker("info", status=1)
    assert "tls" in refused.lower() or "certificate" in refused.lower(), "the old certificates must be refused"
    lab.take_config("life")
    after = json.loads(lab.docker("info --format '{{json .Swarm.Cluster.TLSInfo}}'"))["TrustRoot"]
    assert before != after, "Swarm's own authority is rotated as well"
    assert {node["Status"] for node in swarm_nodes(lab)} == {"Ready"}
    lab.run("jeroboam cluster resize life 3 --wait")
    assert len(swarm_nodes(lab)) == 6, "nodes join with the tokens of the new authority"


def test_delete_leaves_nothing(lab: Lab) -> None:
    servers = [node["server_id"] for node in nodes(lab)]
    lab.run("jeroboam cluster delete life --wait")
    machines = lab.machines
    until("the machines' files are gone", lambda: not any((machines / server).exists() for server in servers))
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, timeout=20, check=True).stdout
    assert not [server for server in servers if server[:8] in spaces]
    assert str(machines) not in Path("/proc/mounts").read_text()
    assert not _processes_of(machines)
    groups = Path("/sys/fs/cgroup").glob("*/jeroboam-netns/*")
    assert not {group.name for group in groups} & set(servers)
