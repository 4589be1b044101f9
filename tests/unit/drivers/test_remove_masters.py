"""A master that leaves: its member of etcd is removed by another one, and only while all others work."""

from __future__ import annotations

from pathlib import Path

import pytest

from jeroboam.driver import MASTER, Bootstrap, NodeSpec
from jeroboam.testing.cases import make_case
from shared.drivers.kubernetes import members
from tests.support.kubernetes import driver, engine
from tests.support.node_machine import NodeMachine

HELPER = make_case(driver, "octavia").nodes[0].name


def listed(*lines: tuple[str, str, str, str]) -> str:
    """What `etcdctl member list` prints: ID, state, name and address; a member that never started has no client URL."""
    return "\n".join(
        f"{ident}, {state}, {name}, https://{address}:2380, {f'https://{address}:2379' if name else ''}, false"
        for ident, state, name, address in lines
    )


THREE = listed(
    ("aaa1", "started", HELPER, "10.0.0.10"),
    ("bbb2", "started", "k8s-master-1", "10.0.0.11"),
    ("ccc3", "started", "k8s-master-2", "10.0.0.12"),
)
LEAVING: dict[str, str | int] = {
    "nodes": "k8s-master-1",
    "leaving": "k8s-master-1",
    "addresses": "10.0.0.11",
    "timeout": 90,
}


@pytest.fixture
def helper(tmp_path: Path) -> NodeMachine:
    machine = NodeMachine(tmp_path)
    case = make_case(driver, "octavia")
    found = engine.bootstrap(case.context(case.nodes[0]))
    assert isinstance(found, Bootstrap)
    assert machine.run(found).returncode == 0
    return machine


def etcdctl(machine: NodeMachine) -> list[str]:
    """What etcd was told: endpoints and command."""
    calls = machine.called(f"kubectl -n kube-system exec etcd-{HELPER} -- etcdctl")
    return [call.partition(" --endpoints ")[2] for call in calls]


def test_a_member_is_removed_after_the_node_was_drained(helper: NodeMachine) -> None:
    helper.set("members", THREE)
    done = helper.command("remove-masters", **LEAVING)
    assert done.returncode == 0, done.stderr
    own = "https://127.0.0.1:2379"
    assert etcdctl(helper) == [
        f"{own} member list",
        "https://10.0.0.10:2379,https://10.0.0.12:2379 endpoint health",
        f"{own} member remove bbb2",
    ]
    calls = [call for call in helper.called("kubectl") if " get " not in call]
    assert [call for call in calls if "drain k8s-master-1" in call or "delete node k8s-master-1" in call]
    assert calls[-1].endswith("member remove bbb2")


def test_nothing_happens_while_another_member_does_not_work(helper: NodeMachine) -> None:
    helper.set("members", THREE)
    helper.set("unhealthy", "https://10.0.0.12:2379 is unhealthy: failed to commit proposal\nError: unhealthy cluster")
    done = helper.command("remove-masters", **LEAVING)
    assert done.returncode == 1
    assert "not all other members of etcd work: https://10.0.0.12:2379 is unhealthy" in done.stderr
    assert not helper.called("kubectl drain") and not helper.called("kubectl delete")


def test_nothing_happens_while_another_member_has_not_started(helper: NodeMachine) -> None:
    helper.set("members", THREE + "\n" + listed(("ddd4", "unstarted", "", "10.0.0.13")))
    done = helper.command("remove-masters", **LEAVING)
    assert done.returncode == 1
    assert "has not started, at https://10.0.0.13:2380" in done.stderr
    assert not helper.called("kubectl drain")


def test_a_member_that_never_started_is_found_by_its_address(helper: NodeMachine) -> None:
    helper.set("members", THREE + "\n" + listed(("ddd4", "unstarted", "", "10.0.0.13")))
    helper.set("no-such-node")
    arguments = {**LEAVING, "nodes": "k8s-master-3", "leaving": "k8s-master-3", "addresses": "10.0.0.13"}
    assert helper.command("remove-masters", **arguments).returncode == 0
    assert etcdctl(helper)[-1] == "https://127.0.0.1:2379 member remove ddd4"


def test_the_only_member_stays_and_one_that_is_gone_is_skipped(helper: NodeMachine) -> None:
    helper.set("members", listed(("aaa1", "started", "k8s-master-1", "10.0.0.11")))
    done = helper.command("remove-masters", **LEAVING)
    assert done.returncode == 1 and "etcd has no other member" in done.stderr
    helper.set("members", listed(("aaa1", "started", HELPER, "10.0.0.10")))
    helper.set("no-such-node")
    assert helper.command("remove-masters", **LEAVING).returncode == 0
    assert not [call for call in etcdctl(helper) if "member remove" in call]


def test_masters_leave_by_a_command_of_their_own_that_must_succeed() -> None:
    nodes = [
        NodeSpec(f"m{index}", f"a{index}", MASTER, index, 0, "g", "joined", ip_address=f"10.0.0.{index}")
        for index in range(3)
    ]
    (removal,) = members.drain([nodes[0]], nodes, 60).removals
    assert removal.required and removal.nodes == ("m0",)
    assert (removal.action.node_id, removal.action.command) == ("m1", "remove-masters")
    assert removal.action.args == {"nodes": "a0", "leaving": "a0", "timeout": 60, "addresses": "10.0.0.0"}
