"""What masters are told about other nodes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from jeroboam.driver import Drain, Impossible, NodeAction, NodegroupSpec, NodeSpec
from shared.drivers.kubernetes import members

GROUP = NodegroupSpec("g", "workers", "worker", "f", "i", 3)


def master(index: int, state: str = "joined") -> NodeSpec:
    return NodeSpec(f"m{index}", f"master-{index}", "master", index, 0, "gm", state)


def worker(index: int, state: str = "joined") -> NodeSpec:
    return NodeSpec(f"w{index}", f"worker-{index}", "worker", index, 0, "g", state)


@given(st.integers(1, 70), st.integers(1, 3))
def test_every_node_that_goes_is_in_one_batch_and_the_masters_share_them(going: int, masters: int) -> None:
    leaving = [worker(index, "removing") for index in range(going)]
    made = members.drain(leaving, [*(master(index) for index in range(masters)), *leaving], 300).removals
    assert [uuid for removal in made for uuid in removal.nodes] == [node.uuid for node in leaving]
    assert all(len(removal.nodes) <= members.BATCH for removal in made)
    assert {removal.action.node_id for removal in made} == {f"m{index}" for index in range(min(masters, len(made)))}
    for removal in made:
        assert removal.action.args["nodes"] == " ".join(uuid.replace("w", "worker-") for uuid in removal.nodes)
        assert removal.action.args["leaving"] == " ".join(node.name for node in leaving)
        assert removal.action.args["timeout"] == 300


def test_a_master_that_goes_or_does_not_work_is_told_nothing() -> None:
    going = master(0, "removing")
    (only,) = members.drain([going], [going, master(1, "failed"), master(2)], 60).removals
    assert only.action.node_id == "m2"
    nothing = members.drain([worker(0, "removing")], [master(0, "failed"), worker(0, "removing")], 60)
    assert nothing == Drain(impossible={"w0": "the cluster has no working master"})


def test_the_first_master_applies_the_add_ons_if_it_works() -> None:
    (action,) = members.add_on_actions([worker(0), master(1), master(0)])  # type: ignore[misc]
    assert (action.node_id, action.command, action.args) == ("m0", "bootstrap", {"part": "add-ons"})
    refused = members.add_on_actions([master(0, "failed"), master(1)])
    assert refused == Impossible("master-0, which applies the add-ons, is failed")


def test_labels_and_taints_that_are_gone_are_taken_off() -> None:
    group = replace(
        GROUP,
        node_labels={"tier": "gold"},
        node_taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}, {"key": "slow", "effect": "NoExecute"}],
    )
    (action,) = members.relabelling(
        group,
        [master(0), worker(0), worker(1, "failed"), worker(2)],
        {"tier": "iron", "old": "x"},
        [{"key": "gpu", "value": "no", "effect": "NoSchedule"}, {"key": "gpu", "effect": "NoExecute"}],
    )
    assert (action.node_id, action.command) == ("m0", "label-nodes")
    assert action.args == {
        "nodes": "worker-0 worker-2",
        "labels": "tier=gold old-",
        "taints": "gpu=yes:NoSchedule slow:NoExecute",
        "untaint": "gpu:NoExecute-",
    }


def test_without_a_change_or_without_anybody_nothing_is_said() -> None:
    assert members.relabelling(GROUP, [master(0), worker(0)], {}, []) == []
    labelled = replace(GROUP, node_labels={"a": "b"})
    assert members.relabelling(labelled, [master(0)], {}, []) == []
    assert members.relabelling(labelled, [worker(0)], {}, []) == []


def test_labels_of_an_earlier_version_that_kubernetes_never_took_are_left_out() -> None:
    group = replace(
        GROUP, node_labels={"tier": "gold", "a --all": "b"}, node_taints=[{"key": "gpu", "effect": "NoSchedule"}]
    )
    old = [{"key": "a b", "effect": "NoExecute"}, {"key": "c", "value": "x y", "effect": "NoExecute"}]
    (action,) = members.relabelling(group, [master(0), worker(0)], {"b --all": "x", "old": "x"}, old)
    assert action.args == {"nodes": "worker-0", "labels": "tier=gold old-", "taints": "gpu:NoSchedule", "untaint": ""}


def test_a_master_is_told_whose_machines_are_lost() -> None:
    leaving = [worker(0, "removing"), replace(worker(1, "removing"), lost=True)]
    (only,) = members.drain(leaving, [master(0), *leaving], 60).removals
    assert only.action.args == {
        "nodes": "worker-0 worker-1", "leaving": "worker-0 worker-1", "lost": "worker-1", "timeout": 60,
    }  # fmt: skip


def test_a_rebuilt_worker_is_removed_by_another_nodes_command_before_it_joins_again() -> None:
    found = members.forget(worker(0, "failed"), [master(0, "failed"), master(1), worker(0, "failed")], 60)
    assert found == NodeAction(
        "m1", "remove-nodes", {"nodes": "worker-0", "leaving": "worker-0", "lost": "worker-0", "timeout": 60}
    )


def test_a_rebuilt_master_cannot_join_again_and_no_node_can_without_a_master() -> None:
    assert isinstance(members.forget(master(0), [master(0), master(1)], 60), Impossible)
    assert isinstance(members.forget(worker(0), [master(0, "failed"), worker(0)], 60), Impossible)
