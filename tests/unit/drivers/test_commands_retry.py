"""Commands about other nodes when the API falters, and when a machine is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.node_machine import NodeMachine
from tests.unit.drivers.test_commands import MASTER, join

PASSING = [
    'Error from server (Forbidden): nodes "w-1" is forbidden: User "kubernetes-admin" cannot get resource "nodes"',
    "error: You must be logged in to the server (Unauthorized)",
    "The connection to the server 10.0.0.4:6443 was refused - did you specify the right host or port?",
    "Unable to connect to the server: net/http: TLS handshake timeout",
    "Unable to connect to the server: EOF",
    "Get https://10.0.0.4:6443/api: dial tcp 10.0.0.4:6443: connect: connection refused",
    "error: read tcp 10.0.0.10:51234->10.0.0.4:6443: read: connection reset by peer",
    "Error from server: etcdserver: leader changed",
    "Error from server (Timeout): etcdserver: request timed out",
    "Error from server (TooManyRequests): the server has received too many requests",
    "Error from server (InternalError): an error on the server has prevented the request from succeeding",
    "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
    'Error from server (Conflict): Operation cannot be fulfilled on nodes "w-1": the object has been modified',
    'error: the server doesn\'t have a resource type "nodes"',
]
FINAL = [
    "error: unknown flag: --overwrit",
    'The Node "w-1" is invalid: metadata.labels: Invalid value: "timeout:": name part must consist of alphanumeric',
    'Error from server (NotFound): nodes "w-1" not found',
    "Error from server (BadRequest): the request timed out of range",
]
DRAIN = "kubectl drain w-1 --ignore-daemonsets --delete-emptydir-data --force --timeout 90s"
DELETE = "kubectl delete node w-1 --ignore-not-found"
TAINT = "kubectl taint --overwrite node w-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
FORCE = "kubectl delete pods --all-namespaces --field-selector spec.nodeName=w-1 --force --grace-period=0 --wait=false"
# The machine's clock starts at 0 and gains 50 seconds each time it is read.
LONG_AGO, LATER = "1970-01-01T00:00:00Z", "1999-01-01T00:00:00Z"


@pytest.fixture
def machine(tmp_path: Path) -> NodeMachine:
    machine = NodeMachine(tmp_path)
    join(machine, MASTER)
    return machine


def remove(machine: NodeMachine, **more: str) -> None:
    done = machine.command("remove-nodes", nodes="w-1", leaving="w-1", timeout=90, **more)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("error", PASSING)
def test_what_may_pass_is_repeated(machine: NodeMachine, error: str) -> None:
    machine.set("kubectl-uncordon-passes", f"{error}\n{error}")
    assert machine.command("uncordon", node="w-1").returncode == 0
    assert len(machine.called("kubectl uncordon")) == 3


@pytest.mark.parametrize(
    ("command", "given", "used"),
    [
        ("remove-nodes", {"nodes": "w-1", "leaving": "w-1", "timeout": 90}, "cordon drain delete"),
        ("drain", {"node": "w-1", "timeout": 90}, "get drain"),
        ("label-nodes", {"nodes": "w-1", "labels": "a=b", "taints": "x=y:NoSchedule"}, "label taint"),
        ("label-nodes", {"nodes": "w-1", "untaint": "z:NoExecute-"}, "taint"),
    ],
)
def test_every_command_repeats_it(machine: NodeMachine, command: str, given: dict[str, str], used: str) -> None:
    for subcommand in used.split():
        machine.set(f"kubectl-{subcommand}-passes", f"{PASSING[0]}\n{PASSING[0]}")
    done = machine.command(command, **given)
    assert (done.returncode, machine.results) == (0, []), done.stderr
    for subcommand in used.split():
        assert len(machine.called(f"kubectl {subcommand} ")) >= 3


@pytest.mark.parametrize("error", FINAL)
def test_what_cannot_pass_is_tried_once(machine: NodeMachine, error: str) -> None:
    machine.set("kubectl-label-passes", error)
    done = machine.command("label-nodes", nodes="w-1 w-2", labels="a=b")
    assert done.returncode != 0
    assert "could not be labelled: w-1" in done.stderr
    assert machine.results == [f"not_labelled.w-1={error[:120]}"]
    assert len(machine.called("kubectl label")) == 2, "once for each node"


def test_an_api_that_stays_away_is_not_asked_for_ever(machine: NodeMachine) -> None:
    machine.set("kubectl-uncordon-passes", "\n".join(["Unable to connect to the server: EOF"] * 50))
    done = machine.command("uncordon", node="w-1")
    assert done.returncode != 0
    assert "EOF" in done.stderr
    assert 3 <= len(machine.called("kubectl uncordon")) <= 10


def test_a_drain_that_is_interrupted_goes_on_in_the_time_that_is_left(machine: NodeMachine) -> None:
    machine.set("kubectl-drain-passes", "error: Get pods: dial tcp 10.0.0.4:6443: connect: connection refused")
    remove(machine)
    first, second = machine.called("kubectl drain")
    assert first == DRAIN
    assert int(second.rpartition(" ")[2].removesuffix("s")) < 90


def test_a_disruption_budget_is_not_asked_twice(machine: NodeMachine) -> None:
    machine.set(
        "kubectl-drain-passes",
        "error when evicting pods (will retry after 5s): etcdserver: leader changed; global timeout reached: 90s",
    )
    remove(machine)
    assert machine.called("kubectl drain") == [DRAIN]
    assert [line.split("=")[0] for line in machine.results] == ["not_drained.w-1"]
    assert machine.calls[-1] == DELETE


def test_a_node_that_goes_while_it_is_drained_is_empty(machine: NodeMachine) -> None:
    machine.set("kubectl-drain-passes", 'Error from server (NotFound): nodes "w-1" not found')
    remove(machine)
    assert machine.results == []


def test_a_node_whose_object_stays_is_told(machine: NodeMachine) -> None:
    machine.set("stays", 'Error from server (Forbidden): nodes "w-1" is forbidden')
    remove(machine)
    assert machine.results == ['not_removed.w-1=Error from server (Forbidden): nodes "w-1" is forbidden']
    assert 3 <= len(machine.called("kubectl delete")) <= 10


def test_a_machine_that_is_known_to_be_gone_is_not_waited_for(machine: NodeMachine) -> None:
    machine.set("attached", "volume-1\nvolume-1")
    remove(machine, lost="w-9 w-1")
    assert machine.results == []
    assert not machine.called("kubectl drain")
    changes = [call for call in machine.called("kubectl") if " get " not in call]
    assert changes == ["kubectl cordon w-1", TAINT, FORCE, DELETE], "the object goes last"
    assert len(machine.called("kubectl get volumeattachments")) == 3, "until its volumes are detached"


def test_a_machine_that_has_been_silent_for_a_minute_is_gone(machine: NodeMachine) -> None:
    machine.set("condition-w-1", f"Unknown {LONG_AGO}")
    machine.set("now", "1000")
    remove(machine)
    assert machine.results == []
    assert machine.called("kubectl taint") == [TAINT]
    assert machine.calls[-2:] == [machine.calls[-2], DELETE]


def test_a_machine_that_dies_while_it_is_drained_ends_the_drain(machine: NodeMachine) -> None:
    machine.set("dies", "w-1")
    machine.set("now", "1000")
    remove(machine)
    status = Path(f"/proc/{(machine.fake / 'dies').read_text().strip()}/status")
    assert not status.exists() or "(zombie)" in status.read_text(), "nothing drains it any more"
    assert machine.called("kubectl drain") == [DRAIN]
    assert machine.results == []
    assert [call for call in machine.calls if call in (TAINT, FORCE, DELETE)] == [TAINT, FORCE, DELETE]


@pytest.mark.parametrize(
    "condition",
    [f"True {LONG_AGO}", f"False {LONG_AGO}", f"Unknown {LATER}", "Unknown soon", "Unknown ", ""],
)
def test_pods_of_a_machine_that_may_live_are_never_forced(machine: NodeMachine, condition: str) -> None:
    machine.set("now", "1000")
    machine.set("condition-w-1", condition)
    remove(machine)
    assert machine.called("kubectl drain") == [DRAIN]
    assert not machine.called("kubectl taint") and not machine.called("kubectl delete pods")


def test_a_machine_whose_pods_cannot_be_released_is_told(machine: NodeMachine) -> None:
    machine.set("kubectl-taint-passes", "error: taint effect is invalid: x")
    remove(machine, lost="w-1")
    assert machine.results == ["not_drained.w-1=error: taint effect is invalid: x"]
    assert machine.calls[-1] == DELETE


def test_an_upgrade_does_not_guess_what_the_api_did_not_say(machine: NodeMachine) -> None:
    machine.set("kubectl--n-passes", "Error from server (Forbidden): configmaps is forbidden")
    assert machine.command("upgrade", version="v1.34.2").returncode == 0
    assert machine.called("kubeadm upgrade") == ["kubeadm upgrade node"], "the version is the cluster's already"
