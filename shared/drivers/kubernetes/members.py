"""Commands for masters that concern other nodes: draining, removing and labelling them.

Rule: only masters can change other nodes, so a working master that stays in the cluster executes the commands. If there
is none, nodes are removed without being drained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from jeroboam.driver import Drain, Impossible, NodeAction, NodegroupSpec, NodeSpec, Removal, joined_masters, masters
from shared.drivers.kubernetes.node_labels import is_key, is_taint, is_value

# The result of a command has at most 40 lines, and the API server can handle twenty concurrent drains.
BATCH = 20


def drain(leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], seconds: int) -> Drain:
    """Split the leaving nodes into batches and distribute them over the masters that stay.

    Masters leave one by one. The removal of one must succeed: it fails while another member of etcd does not work.
    """
    gone = {node.uuid for node in leaving}
    helpers = joined_masters([node for node in nodes if node.uuid not in gone])
    if not helpers:
        return Drain(impossible=dict.fromkeys(gone, "the cluster has no working master"))
    names = " ".join(node.name for node in leaving)
    workers = [node for node in leaving if not node.is_master]
    batches = [workers[start : start + BATCH] for start in range(0, len(workers), BATCH)]
    removals = [
        Removal(
            NodeAction(helpers[number % len(helpers)].uuid, "remove-nodes", _removal(batch, names, seconds)),
            tuple(node.uuid for node in batch),
        )
        for number, batch in enumerate(batches)
    ]
    for node in masters(leaving):
        arguments = _removal([node], names, seconds) | {"addresses": node.ip_address or ""}
        action = NodeAction(helpers[0].uuid, "remove-masters", arguments)
        removals.append(Removal(action, (node.uuid,), required=True))
    return Drain(removals)


def _removal(batch: Sequence[NodeSpec], leaving: str, seconds: int) -> dict[str, str | int]:
    lost = " ".join(node.name for node in batch if node.lost)
    found: dict[str, str | int] = {"nodes": " ".join(node.name for node in batch), "leaving": leaving}
    return found | ({"lost": lost} if lost else {}) | {"timeout": seconds}


def forget(node: NodeSpec, nodes: Sequence[NodeSpec], seconds: int) -> NodeAction | Impossible:
    """Have a working master delete the Node object, because kubeadm refuses to join under a name that is in use.

    The etcd member of a master is not replaced: its data are lost, and etcd does not accept an empty member in its
    place.
    """
    if node.is_master:
        return Impossible("a master whose disk was replaced cannot join again: its member of etcd is lost")
    helpers = joined_masters([each for each in nodes if each.uuid != node.uuid])
    if not helpers:
        return Impossible("the cluster has no working master that it could join")
    return NodeAction(helpers[0].uuid, "remove-nodes", _removal([replace(node, lost=True)], node.name, seconds))


def master_change(nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    """Have each working master take over the present scripts, and the addresses of the others for a shared one."""
    return [NodeAction(node.uuid, "bootstrap", {"part": "masters"}) for node in joined_masters(nodes)]


def credential_actions(nodes: Sequence[NodeSpec]) -> list[NodeAction] | Impossible:
    """Run the bootstrap of the master that applies the add-ons, because their configuration contains the credential."""
    first = masters(nodes)[0]
    if not first.has_joined:
        return Impossible(f"{first.name}, which applies the add-ons, is {first.state}")
    return [NodeAction(first.uuid, "bootstrap")]


def add_on_actions(nodes: Sequence[NodeSpec]) -> list[NodeAction] | Impossible:
    """Run only the part of that master's bootstrap that applies the add-ons."""
    found = credential_actions(nodes)
    if isinstance(found, Impossible):
        return found
    return [replace(action, args={"part": "add-ons"}) for action in found]


def relabelling(
    nodegroup: NodegroupSpec,
    nodes: Sequence[NodeSpec],
    old_labels: Mapping[str, str],
    old_taints: Sequence[Mapping[str, str]],
) -> list[NodeAction]:
    """Change the labels and taints of a nodegroup's nodes from the old ones to the current ones.

    What Kubernetes does not accept is left out: rows stored by an earlier version may contain it, nodes cannot have it.
    """
    helpers = joined_masters(nodes)
    names = [node.name for node in nodes if node.nodegroup_id == nodegroup.uuid and node.has_joined]
    labels = [f"{name}={value}" for name, value in nodegroup.node_labels.items() if is_key(name) and is_value(value)]
    labels += [f"{name}-" for name in old_labels if name not in nodegroup.node_labels and is_key(name)]
    taints = {_key(taint): _taint(taint) for taint in nodegroup.node_taints if is_taint(taint)}
    untaint = [f"{key}-" for taint in old_taints if is_taint(taint) and (key := _key(taint)) not in taints]
    if not helpers or not names or not (labels or taints or untaint):
        return []
    arguments = {
        "nodes": " ".join(names),
        "labels": " ".join(labels),
        "taints": " ".join(taints.values()),
        "untaint": " ".join(untaint),
    }
    return [NodeAction(helpers[0].uuid, "label-nodes", arguments)]


def _key(taint: Mapping[str, str]) -> str:
    return f"{taint['key']}:{taint['effect']}"


def _taint(taint: Mapping[str, str]) -> str:
    value = taint.get("value")
    return f"{taint['key']}={value}:{taint['effect']}" if value else _key(taint)
