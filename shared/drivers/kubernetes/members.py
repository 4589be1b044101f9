"""What masters are told to do about other nodes: empty those that go, mark those that stay.

Rule: only masters may say something about others, so a master that works and stays carries it out; where there is
none, nothing can be done and the nodes go without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jeroboam.driver import Drain, Impossible, NodeAction, NodegroupSpec, NodeSpec, Removal, joined_masters, masters
from shared.drivers.kubernetes.node_labels import is_key, is_taint, is_value

# One command's answer is 40 lines at most, and twenty drains at once are no burden to the API.
BATCH = 20


def drain(leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], seconds: int) -> Drain:
    """The leaving nodes in batches, the batches distributed over the masters that stay."""
    gone = {node.uuid for node in leaving}
    helpers = joined_masters([node for node in nodes if node.uuid not in gone])
    if not helpers:
        return Drain(impossible=dict.fromkeys(gone, "no master of the cluster works"))
    names = " ".join(node.name for node in leaving)
    batches = [leaving[start : start + BATCH] for start in range(0, len(leaving), BATCH)]
    return Drain(
        [
            Removal(
                NodeAction(
                    helpers[number % len(helpers)].uuid,
                    "remove-nodes",
                    {"nodes": " ".join(node.name for node in batch), "leaving": names, "timeout": seconds},
                ),
                tuple(node.uuid for node in batch),
            )
            for number, batch in enumerate(batches)
        ]
    )


def credential_actions(nodes: Sequence[NodeSpec]) -> list[NodeAction] | Impossible:
    """The master that applies the add-ons runs its bootstrap again: their configuration holds the credential."""
    first = masters(nodes)[0]
    if not first.has_joined:
        return Impossible(f"{first.name}, which applies the add-ons, is {first.state}")
    return [NodeAction(first.uuid, "bootstrap")]


def relabelling(
    nodegroup: NodegroupSpec,
    nodes: Sequence[NodeSpec],
    old_labels: Mapping[str, str],
    old_taints: Sequence[Mapping[str, str]],
) -> list[NodeAction]:
    """Bring a nodegroup's nodes from the old labels and taints to its own.

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
