"""What masters are told to do about other nodes: empty those that go, mark those that stay.

Rule: only masters may say something about others, so a master that works and stays carries it out; where there is
none, nothing can be done and the nodes go without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.drivers.base import NodeAction, NodegroupSpec, NodeSpec, Removal

# One command's answer is 40 lines at most, and twenty drains at once are no burden to the API.
BATCH = 20
_JOINED = "joined"


def removals(leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], seconds: int) -> list[Removal]:
    """The nodes that go in batches, the batches dealt out to the masters."""
    gone = {node.uuid for node in leaving}
    masters = joined_masters([node for node in nodes if node.uuid not in gone])
    if not masters:
        return []
    names = " ".join(node.name for node in leaving)
    batches = [leaving[start : start + BATCH] for start in range(0, len(leaving), BATCH)]
    return [
        Removal(
            NodeAction(
                masters[number % len(masters)],
                "remove-nodes",
                {"nodes": " ".join(node.name for node in batch), "leaving": names, "timeout": seconds},
            ),
            tuple(node.uuid for node in batch),
        )
        for number, batch in enumerate(batches)
    ]


def relabelling(
    nodegroup: NodegroupSpec,
    nodes: Sequence[NodeSpec],
    old_labels: Mapping[str, str],
    old_taints: Sequence[Mapping[str, str]],
) -> list[NodeAction]:
    """Bring a nodegroup's nodes from the old labels and taints to its own."""
    masters = joined_masters(nodes)
    names = [node.name for node in nodes if node.nodegroup_id == nodegroup.uuid and node.state == _JOINED]
    labels = [f"{name}={value}" for name, value in nodegroup.node_labels.items()]
    labels += [f"{name}-" for name in old_labels if name not in nodegroup.node_labels]
    taints = {_key(taint): _taint(taint) for taint in nodegroup.node_taints}
    untaint = [f"{key}-" for taint in old_taints if (key := _key(taint)) not in taints]
    if not masters or not names or not (labels or taints or untaint):
        return []
    arguments = {
        "nodes": " ".join(names),
        "labels": " ".join(labels),
        "taints": " ".join(taints.values()),
        "untaint": " ".join(untaint),
    }
    return [NodeAction(masters[0], "label-nodes", arguments)]


def joined_masters(nodes: Sequence[NodeSpec]) -> list[str]:
    """The uuids of the masters that work, in the order in which they were numbered."""
    found = [node for node in nodes if node.role == "master" and node.state == _JOINED]
    return [node.uuid for node in sorted(found, key=lambda node: node.index)]


def _key(taint: Mapping[str, str]) -> str:
    return f"{taint['key']}:{taint['effect']}"


def _taint(taint: Mapping[str, str]) -> str:
    value = taint.get("value")
    return f"{taint['key']}={value}:{taint['effect']}" if value else _key(taint)
