"""The driver's commands really run, on a machine whose programs write down how they were called."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.drivers.base import Bootstrap
from shared.drivers.kubernetes import driver
from tests.support.driver_cases import make_case
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
    found = driver.bootstrap(case.context(case.nodes[place]))
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


def test_a_node_that_goes_is_forgotten_and_one_that_stays_gets_pods_again(machine: NodeMachine) -> None:
    join(machine, MASTER)
    assert machine.command("remove-node", node="k8s-worker-1").returncode == 0
    assert machine.calls[-1] == "kubectl delete node k8s-worker-1 --ignore-not-found"
    assert machine.command("uncordon", node="k8s-worker-1").returncode == 0
    assert machine.calls[-1] == "kubectl uncordon k8s-worker-1"


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
    assert "upgrade-prepare comes first" in refused.stderr
    assert not machine.called("kubeadm upgrade")


def test_a_kubelet_that_does_not_come_back_is_told(machine: NodeMachine) -> None:
    join(machine, WORKER, kubernetes_apt_mirror=MIRROR)
    machine.command("upgrade-prepare", version=NEW)
    machine.set("ready", "False kubelet is not posting ready status")
    failed = machine.command("upgrade", version=NEW)
    assert failed.returncode != 0
    assert failed.stderr.splitlines()[-1].endswith("the node is not ready: False kubelet is not posting ready status")
