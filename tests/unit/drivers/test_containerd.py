"""containerd 2, which newer versions of Kubernetes need: in requests, on new nodes and in upgrades."""

from __future__ import annotations

from pathlib import Path

import pytest

from jeroboam.driver import Bootstrap
from jeroboam.testing.cases import make_case
from tests.support.kubernetes import driver, engine, problems
from tests.support.node_machine import NodeMachine

OLD, NEW = "v1.36.2", "v1.37.0"
DEBIAN = "containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6"
TWO = "containerd github.com/containerd/containerd/v2 v2.1.3 c787fb98911740dd3ff2d0e45ce88cdf01410486"
MIRROR = "https://mirror.example.org/kubernetes"


@pytest.mark.parametrize(
    ("kube_tag", "given", "why"),
    [
        (OLD, "1.7.24", None),
        (OLD, "v1.7", None),
        (NEW, None, None),
        (NEW, "2", None),
        (NEW, "2.1.3", None),
        (
            NEW,
            "1.7.24",
            "label containerd_version: 1.7.24 is too old; Kubernetes v1.37.0 needs containerd 2.0 or newer",
        ),
        ("v1.38.1", "v1.7", "label containerd_version: 1.7 is too old"),
        (OLD, "latest", "label containerd_version: must be the lowest version of containerd to use"),
        (OLD, "2.0; reboot", "label containerd_version: must be"),
    ],
)
def test_a_request_that_needs_another_one_is_refused(kube_tag: str, given: str | None, why: str | None) -> None:
    labels = {"kube_tag": kube_tag, **({"containerd_version": given} if given else {})}
    found = problems(make_case(driver).with_labels(**labels))
    assert found == [] if why is None else why in found[0]


def test_so_is_an_upgrade() -> None:
    cluster = make_case(driver).with_labels(kube_tag=OLD, containerd_version="1.7").cluster
    (found,) = engine.upgrade_problems(cluster, {"kube_tag": NEW})
    assert "label containerd_version: 1.7 is too old" in found
    assert engine.upgrade_problems(cluster, {"kube_tag": NEW, "containerd_version": "2.0"}) == []
    labels = engine.upgraded_labels(cluster, {"kube_tag": NEW, "containerd_version": "2.0"})
    assert (labels["kube_tag"], labels["containerd_version"]) == (NEW, "2.0")
    assert engine.label_change_problems(cluster, {**cluster.labels, "containerd_version": "2.1"}) == []


def test_an_upgrade_tells_the_nodes_and_gives_them_the_scripts_that_know() -> None:
    case = make_case(driver).all_joined()
    worker = case.nodes[-1]
    before = engine.upgrade_actions(case.with_labels(kube_tag=OLD).cluster, worker, case.nodes)
    assert "bootstrap" not in {action.command for action in before}
    actions = engine.upgrade_actions(case.with_labels(kube_tag=NEW).cluster, worker, case.nodes)
    assert (actions[0].command, actions[0].args) == ("bootstrap", {"part": "scripts"})
    assert [action.args["containerd"] for action in actions if "version" in action.args] == ["2.0", "2.0"]


def join(machine: NodeMachine, **labels: str) -> str:
    case = make_case(driver).with_labels(**labels)
    found = engine.bootstrap(case.joined(0).context(case.nodes[1]))
    assert isinstance(found, Bootstrap)
    done = machine.run(found)
    return done.stderr if done.returncode else ""


def test_a_new_node_gets_it_before_it_joins(tmp_path: Path) -> None:
    machine = NodeMachine(tmp_path, version=NEW)
    machine.set("containerd-version", DEBIAN)
    machine.set("containerd-offered", "2.0.5")
    assert join(machine, kube_tag=NEW) == ""
    installed = next(call for call in machine.calls if call.startswith("apt-get") and call.endswith(" containerd"))
    joined = next(call for call in machine.calls if call.startswith("kubeadm join"))
    assert machine.calls.index(installed) < machine.calls.index(joined)


def test_one_that_has_it_is_left_alone(tmp_path: Path) -> None:
    machine = NodeMachine(tmp_path, version=NEW)
    machine.set("containerd-version", TWO)
    assert join(machine, kube_tag=NEW) == ""
    assert not machine.called("apt-get")


def test_an_image_and_sources_without_it_are_named_before_anything_joins(tmp_path: Path) -> None:
    machine = NodeMachine(tmp_path, version=NEW)
    machine.set("containerd-version", DEBIAN)
    assert (
        "containerd 1.7.24 is installed and Kubernetes v1.37.0 needs 2.0 or newer (label containerd_version)"
        in join(machine, kube_tag=NEW)
    )
    assert not machine.called("kubeadm join")


def member(tmp_path: Path) -> NodeMachine:
    machine = NodeMachine(tmp_path, version=OLD)
    machine.set("containerd-version", DEBIAN)
    assert join(machine, kube_tag=OLD, kubernetes_apt_mirror=MIRROR) == ""
    return machine


def test_an_upgrade_replaces_it_once_the_node_is_drained(tmp_path: Path) -> None:
    machine = member(tmp_path)
    machine.set("containerd-offered", "2.0.5-1")
    prepared = machine.command("upgrade-prepare", version=NEW, containerd="2.0")
    assert prepared.returncode == 0, prepared.stderr
    assert [call for call in machine.called("apt-get") if "--download-only install containerd" in call]
    assert not machine.called("systemctl"), "nothing is disturbed before the node is drained"
    done = machine.command("upgrade", version=NEW, containerd="2.0")
    assert done.returncode == 0, done.stderr
    assert "systemctl restart containerd" in machine.calls
    calls = machine.calls
    assert calls.index("systemctl restart containerd") < calls.index("kubeadm upgrade node")


def test_an_upgrade_without_it_ends_before_the_node_is_drained(tmp_path: Path) -> None:
    machine = member(tmp_path)
    machine.set("containerd-offered", "1.7.28-0ubuntu1")
    failed = machine.command("upgrade-prepare", version=NEW, containerd="2.0")
    assert failed.returncode != 0
    assert "the sources of packages offer 1.7.28-0ubuntu1 and Kubernetes v1.37.0 needs 2.0 or newer" in failed.stderr
    assert machine.command("upgrade-prepare", version=OLD).returncode == 0, "an older version does not need it"
