"""The driver's commands really run, on a machine whose programs write down how they were called."""

from __future__ import annotations

from pathlib import Path

import pytest

from jeroboam.driver import Bootstrap
from jeroboam.testing.cases import make_case
from shared.operations.node_commands import spoken_results
from tests.support.kubernetes import driver, engine
from tests.support.node_machine import NodeMachine

MIRROR = "https://mirror.example.org/kubernetes"
MASTER, WORKER = 0, 4
NEW = "v1.35.0"


@pytest.fixture
def machine(tmp_path: Path) -> NodeMachine:
    return NodeMachine(tmp_path)


def join(machine: NodeMachine, place: int, **labels: str) -> None:
    case = make_case(driver, "octavia").with_labels(**labels)
    if place != MASTER:
        case = case.joined(MASTER)
    found = engine.bootstrap(case.context(case.nodes[place]))
    assert isinstance(found, Bootstrap)
    done = machine.run(found)
    assert done.returncode == 0, done.stderr


def test_a_drain_moves_the_pods_and_leaves_the_node(machine: NodeMachine) -> None:
    join(machine, MASTER)
    done = machine.command("drain", node="k8s-worker-1", timeout=90)
    assert done.returncode == 0, done.stderr
    assert machine.called("kubectl drain") == [
        "kubectl drain k8s-worker-1 --ignore-daemonsets --delete-emptydir-data --force --timeout 90s"
    ]
    assert not machine.called("kubectl delete")


def test_a_node_kubernetes_never_knew_has_nothing_to_drain(machine: NodeMachine) -> None:
    join(machine, MASTER)
    machine.set("no-such-node")
    assert machine.command("drain", node="k8s-worker-9", timeout=90).returncode == 0
    assert not machine.called("kubectl drain")


def test_a_node_that_stays_gets_pods_again(machine: NodeMachine) -> None:
    join(machine, MASTER)
    assert machine.command("uncordon", node="k8s-worker-1").returncode == 0
    assert machine.calls[-1] == "kubectl uncordon k8s-worker-1"


def test_nodes_that_go_are_all_cordoned_before_any_is_emptied(machine: NodeMachine) -> None:
    join(machine, MASTER)
    done = machine.command("remove-nodes", nodes="w-1 w-2", leaving="w-1 w-2 w-3", timeout=90)
    assert (done.returncode, machine.results) == (0, []), done.stderr
    calls = [call for call in machine.called("kubectl") if " get " not in call]
    assert calls[0] == "kubectl cordon w-1 w-2 w-3"
    assert sorted(calls[1:3]) == [
        f"kubectl drain {node} --ignore-daemonsets --delete-emptydir-data --force --timeout 90s"
        for node in ("w-1", "w-2")
    ]
    assert calls[3:] == ["kubectl delete node w-1 w-2 --ignore-not-found"]


def test_a_node_that_cannot_be_emptied_is_named_and_goes_all_the_same(machine: NodeMachine) -> None:
    join(machine, MASTER)
    machine.set("undrainable", "w-2")
    done = machine.command("remove-nodes", nodes="w-1 w-2", leaving="w-1 w-2", timeout=90)
    assert done.returncode == 0, done.stderr
    assert machine.results == ["not_drained.w-2=error: pod web-0 did not go"]
    assert machine.calls[-1] == "kubectl delete node w-1 w-2 --ignore-not-found"


def test_an_agent_that_takes_no_results_finds_them_in_the_output(machine: NodeMachine) -> None:
    join(machine, MASTER)
    machine.set("undrainable", "w-2")
    machine.takes_results = False
    done = machine.command("remove-nodes", nodes="w-2", leaving="w-2", timeout=90)
    assert spoken_results(done.stdout) == {"not_drained.w-2": "error: pod web-0 did not go"}


def test_nodes_kubernetes_never_knew_have_nothing_to_empty(machine: NodeMachine) -> None:
    join(machine, MASTER)
    machine.set("no-such-node")
    done = machine.command("remove-nodes", nodes="w-1", leaving="w-1", timeout=90)
    assert (done.returncode, machine.results) == (0, []), done.stderr
    assert all(" get " in call for call in machine.called("kubectl"))


def test_an_api_that_is_away_empties_nothing(machine: NodeMachine) -> None:
    join(machine, MASTER)
    machine.set("api-is-away")
    done = machine.command("remove-nodes", nodes="w-1", leaving="w-1", timeout=90)
    assert done.returncode != 0
    assert "the API server is not ready" in done.stderr
    assert not machine.called("kubectl delete")


def test_labels_and_taints_are_brought_to_what_the_nodegroup_has(machine: NodeMachine) -> None:
    join(machine, MASTER)
    machine.set("no-such-taint")
    done = machine.command(
        "label-nodes", nodes="w-1 w-2", labels="tier=gold old-", taints="gpu=yes:NoSchedule", untaint="slow:NoExecute-"
    )
    assert done.returncode == 0, done.stderr
    assert machine.called("kubectl label") + machine.called("kubectl taint") == [
        "kubectl label --overwrite -- node w-1 tier=gold old-",
        "kubectl label --overwrite -- node w-2 tier=gold old-",
        "kubectl taint -- node w-1 slow:NoExecute-",
        "kubectl taint --overwrite -- node w-1 gpu=yes:NoSchedule",
        "kubectl taint -- node w-2 slow:NoExecute-",
        "kubectl taint --overwrite -- node w-2 gpu=yes:NoSchedule",
    ]


def test_words_of_labels_never_become_options_of_kubectl(machine: NodeMachine) -> None:
    join(machine, MASTER)
    assert machine.command("label-nodes", nodes="w-1", labels="a=b --all *").returncode == 0
    assert machine.called("kubectl label") == ["kubectl label --overwrite -- node w-1 a=b --all *"]


@pytest.mark.parametrize(
    ("status", "ready"), [("200", True), ("401", True), ("403", True), ("500", False), ("000", False), ("", False)]
)
def test_a_master_that_is_not_ready_yields_the_address(machine: NodeMachine, status: str, ready: bool) -> None:
    join(machine, MASTER)
    machine.set("readyz", status)
    assert (machine.program("check-apiserver").returncode == 0) is ready
    (asked,) = machine.called("curl")
    assert asked.endswith("https://127.0.0.1:6443/readyz")


def test_what_says_something_about_other_nodes_is_on_masters_only(machine: NodeMachine) -> None:
    join(machine, WORKER)
    commands = {path.name for path in (machine.root / "etc/jeroboam/commands.d").iterdir()}
    assert commands == {"upgrade-prepare", "upgrade"}


def test_the_first_master_upgrades_the_cluster_and_the_next_follow(machine: NodeMachine) -> None:
    join(machine, MASTER, kubernetes_apt_mirror=MIRROR)
    prepared = machine.command("upgrade-prepare", version=NEW)
    assert prepared.returncode == 0, prepared.stderr
    assert f"{MIRROR}/v1.35/deb/" in machine.text("etc/apt/sources.list.d/kubernetes.list")
    (install,) = [call for call in machine.called("apt-get") if " install " in call]
    assert install.endswith(" install kubeadm=1.35.0-*")
    assert machine.called("kubeadm config images pull")
    assert not machine.called("systemctl"), "nothing is disturbed before the node is drained"
    done = machine.command("upgrade", version=NEW)
    assert done.returncode == 0, done.stderr
    assert machine.called("kubeadm upgrade") == [f"kubeadm upgrade apply --yes {NEW}"]
    (install,) = [call for call in machine.called("apt-get") if " install " in call]
    assert install.endswith(" install kubelet=1.35.0-* kubectl=1.35.0-*")
    assert machine.called("systemctl") == ["systemctl daemon-reload", "systemctl restart kubelet"]
    assert f"KUBERNETES_VERSION={NEW}\n" in machine.text("etc/jeroboam/node.env")
    again = machine.command("upgrade", version=NEW)
    assert again.returncode == 0, again.stderr
    assert machine.called("kubeadm upgrade") == ["kubeadm upgrade node"]
    assert not machine.called("apt-get")


def test_a_worker_follows(machine: NodeMachine) -> None:
    join(machine, WORKER, kubernetes_apt_mirror=MIRROR)
    assert machine.command("upgrade-prepare", version=NEW).returncode == 0
    assert not machine.called("kubeadm config images pull")
    done = machine.command("upgrade", version=NEW)
    assert done.returncode == 0, done.stderr
    assert machine.called("kubeadm upgrade") == ["kubeadm upgrade node"]
    assert not machine.called("kubectl -n"), "a worker may not ask for the cluster's configuration"


def test_without_packages_it_says_so_before_anything_is_drained(machine: NodeMachine) -> None:
    join(machine, WORKER)
    failed = machine.command("upgrade-prepare", version=NEW)
    assert failed.returncode != 0
    assert "set the label kubernetes_apt_mirror" in failed.stderr
    refused = machine.command("upgrade", version=NEW)
    assert "run upgrade-prepare first" in refused.stderr
    assert not machine.called("kubeadm upgrade")


def test_a_kubelet_that_does_not_come_back_is_told(machine: NodeMachine) -> None:
    join(machine, WORKER, kubernetes_apt_mirror=MIRROR)
    machine.command("upgrade-prepare", version=NEW)
    machine.set("ready", "False kubelet is not posting ready status")
    failed = machine.command("upgrade", version=NEW)
    assert failed.returncode != 0
    assert failed.stderr.splitlines()[-1].endswith("the node is not ready: False kubelet is not posting ready status")
