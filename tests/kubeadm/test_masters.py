"""Three masters that share an address: they join, yield it to each other, and are upgraded over a minor version."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.kubeadm.conftest import NEXT_VERSION, Cluster
from tests.kubeadm.images import REGISTRY
from tests.kubeadm.machines import Machine
from tests.support.kubernetes import engine

MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
ASIDE = "/etc/kubernetes/kube-apiserver.yaml"


def holders(trio: Cluster) -> list[str]:
    """Machines that have the shared address."""
    found = [machine for machine in trio.machines if " 10.0.0.4/32 " in machine.do("ip", "-o", "addr", "show").stdout]
    return [machine.name for machine in found]


def becomes(read: Callable[[], object], wanted: object, seconds: float = 90) -> bool:
    """Whether it is what is wanted, now or within some time."""
    end = time.monotonic() + seconds
    while read() != wanted and time.monotonic() < end:
        time.sleep(1)
    return read() == wanted


def passes_to(trio: Cluster, name: str, seconds: float) -> bool:
    return becomes(lambda: holders(trio), [name], seconds)


def is_ready(machine: Machine) -> bool:
    return machine.do("/etc/jeroboam/check-apiserver").returncode == 0


def versions(trio: Cluster) -> dict[str, tuple[str, str]]:
    """Node -> the version of its kubelet, and the tag of its API server's image."""
    nodes = json.loads(trio.kubectl("get", "nodes", "-o", "json"))["items"]
    pods = json.loads(trio.kubectl("-n", "kube-system", "get", "pods", "-l", "component=kube-apiserver", "-o", "json"))
    images = {pod["spec"]["nodeName"]: pod["spec"]["containers"][0]["image"] for pod in pods["items"]}
    return {
        node["metadata"]["name"]: (
            node["status"]["nodeInfo"]["kubeletVersion"],
            images.get(node["metadata"]["name"], "").removeprefix(f"{REGISTRY}/kube-apiserver:"),
        )
        for node in nodes
    }


def test_masters_join_one_after_another(trio: Cluster) -> None:
    for machine in trio.machines:
        done = trio.bootstrap(machine)
        assert done.returncode == 0, done.stdout + done.stderr
    trio.kubectl("--namespace", "kube-system", "delete", "deployment/coredns", "daemonset/kube-proxy")
    trio.kubectl("--namespace", "kube-flannel", "delete", "daemonset", "--all")
    # A static pod is listed some time after it has started.
    assert becomes(lambda: versions(trio), dict.fromkeys(("a0", "a1", "a2"), ("v1.20.2", "v1.20.2"))), versions(trio)
    etcd = ("-n", "kube-system", "get", "pods", "-l", "component=etcd", "--no-headers", "-o", "name")
    assert becomes(lambda: len(trio.kubectl(*etcd).split()), 3)
    assert passes_to(trio, "a0", 60), "the first master has the highest priority"


def test_a_master_that_is_not_ready_yields_the_address(trio: Cluster) -> None:
    first = trio.machines[0]
    first.do("mv", MANIFEST, ASIDE)
    assert passes_to(trio, "a1", 90), holders(trio)
    assert not is_ready(first)
    assert "kube-apiserver is not healthy" in first.do("/etc/jeroboam/health").stdout
    # Every client, also on the first master, reaches the others by the shared address.
    assert "a0" in trio.kubectl("get", "nodes", "-o", "name", on=0)
    first.do("mv", ASIDE, MANIFEST)
    assert passes_to(trio, "a0", 120), holders(trio)


def test_an_upgrade_over_a_minor_version(trio: Cluster) -> None:
    case = trio.case.with_labels(kube_tag=NEXT_VERSION).all_joined()
    machines = {node.uuid: machine for node, machine in zip(case.nodes, trio.machines, strict=True)}
    how: list[str] = []
    for node in case.nodes:
        for action in engine.upgrade_actions(case.cluster, node, case.nodes):
            done = trio.command(machines[action.node_id], action.command, action.args)
            assert done.returncode == 0, f"{node.name} {action.command}: {done.stdout}{done.stderr}"
            how += [line for line in done.stdout.splitlines() if line.startswith("== kubeadm upgrade")]
    assert how == ["== kubeadm upgrade apply", "== kubeadm upgrade node", "== kubeadm upgrade node"]
    assert becomes(lambda: versions(trio), dict.fromkeys(("a0", "a1", "a2"), ("v1.21.0", "v1.21.0"))), versions(trio)
    again = trio.command(trio.machines[0], "upgrade", {"version": NEXT_VERSION})
    assert again.returncode == 0, "it may be repeated"
    assert "== kubeadm upgrade node" in again.stdout
    assert all(is_ready(machine) for machine in trio.machines)


def test_the_add_ons_of_the_next_version_are_applied(trio: Cluster) -> None:
    done = trio.bootstrap(trio.machines[0], part="add-ons", version=NEXT_VERSION)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kube-flannel-ds" in trio.kubectl("--namespace", "kube-flannel", "get", "daemonsets", "-o", "name")
    (action,) = engine.add_on_actions(trio.case.all_joined().nodes)  # type: ignore[misc]
    assert action.args == {"part": "add-ons"}


def test_a_master_whose_machine_is_gone_is_released_and_forgotten(trio: Cluster) -> None:
    trio.kubectl("create", "deployment", "web", f"--image={REGISTRY}/pause:3.2")
    trio.kubectl("taint", "nodes", "--all", "node-role.kubernetes.io/control-plane-")
    trio.kubectl("rollout", "status", "deployment", "web", "--timeout=90s")
    (pod,) = json.loads(trio.kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    name = pod["spec"]["nodeName"]
    (dead,) = [machine for machine in trio.machines if machine.name == name]
    place, helper = next((place, each) for place, each in enumerate(trio.machines) if each is not dead)
    assert dead.do("ip", "link", "set", "eth0", "down").returncode == 0
    started = time.monotonic()
    removed = trio.command(helper, "remove-nodes", {"nodes": name, "leaving": name, "lost": name, "timeout": 600})
    assert (removed.returncode, removed.stdout) == (0, ""), removed.stderr
    assert time.monotonic() - started < 180, "no eviction was waited for"
    assert f"node/{name}" not in trio.kubectl("get", "nodes", "-o", "name", on=place).split()
    trio.kubectl("rollout", "status", "deployment", "web", "--timeout=90s", on=place)
    (pod,) = json.loads(trio.kubectl("get", "pods", "-l", "app=web", "-o", "json", on=place))["items"]
    assert pod["spec"]["nodeName"] != name
