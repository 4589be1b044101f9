"""Commands for managers that concern other nodes: removing, labelling, settling and forgetting them.

Rule: commands name nodes by their UUIDs, which each engine carries as a label (`io.jeroboam.node`); the manager finds
the IDs by it. Host names are not used: a machine that joined again is a second node of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jeroboam.driver import (
    ClusterSpec,
    Drain,
    EndpointMode,
    NodeAction,
    NodegroupSpec,
    NodeSpec,
    Removal,
    joined_masters,
)
from shared.drivers.swarm.labels import read_labels
from shared.drivers.swarm.node_labels import availability, is_label

BATCH = 20


def drain(leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], seconds: int) -> Drain:
    """Workers are spread over the managers that stay; leaving managers go one after another, by one of them.

    The removal of a manager must succeed: it is refused if the remaining ones would have no quorum.
    """
    gone = {node.uuid for node in leaving}
    helpers = joined_masters([node for node in nodes if node.uuid not in gone])
    if not helpers:
        return Drain(impossible=dict.fromkeys(gone, "the cluster has no working manager"))
    managers = [node for node in leaving if node.is_master]
    workers = [node for node in leaving if not node.is_master]
    batches = [workers[start : start + BATCH] for start in range(0, len(workers), BATCH)]
    removals = [
        Removal(_removal(helpers[number % len(helpers)], batch, leaving, seconds), _uuids(batch))
        for number, batch in enumerate(batches)
    ]
    if managers:
        removals.append(Removal(_removal(helpers[0], managers, leaving, seconds), _uuids(managers), required=True))
    return Drain(removals)


def _removal(helper: NodeSpec, batch: Sequence[NodeSpec], leaving: Sequence[NodeSpec], seconds: int) -> NodeAction:
    arguments: dict[str, str | int] = {
        "nodes": " ".join(f"{node.uuid}/{node.name}" for node in batch),
        "leaving": " ".join(_uuids(leaving)),
        "timeout": seconds,
    }
    return NodeAction(helper.uuid, "remove-nodes", arguments)


def relabelling(
    nodegroup: NodegroupSpec, nodes: Sequence[NodeSpec], old_labels: Mapping[str, str], *, changed: bool
) -> list[NodeAction]:
    """Set a nodegroup's labels and availability on its joined nodes.

    Args:
        old_labels: labels to remove, where they are not among the current ones.
        changed: whether the availability is set as well.
    """
    helpers = joined_masters(nodes)
    named = [node.uuid for node in nodes if node.nodegroup_id == nodegroup.uuid and node.has_joined]
    labels = [f"{key}={value}" for key, value in nodegroup.node_labels.items() if is_label(key, value)]
    removed = [key for key, value in old_labels.items() if key not in nodegroup.node_labels and is_label(key, value)]
    if not helpers or not named or not (labels or removed or changed):
        return []
    arguments = {"nodes": " ".join(named), "labels": " ".join(labels), "remove": " ".join(removed)}
    if changed:
        arguments["availability"] = availability(nodegroup.node_taints)
    return [NodeAction(helpers[0].uuid, "label-nodes", arguments)]


def settle(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec], nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    """After nodes have joined: set their labels, forget nodes that exist no more, replace the join tokens."""
    helpers = joined_masters(nodes)
    if not helpers:
        return []
    found = [action for group in nodegroups for action in relabelling(group, nodes, {}, changed=False)]
    if cluster.endpoint_mode is EndpointMode.VIRTUAL_IP:
        # Each one's configuration of the shared address contains the addresses of the others.
        found += [NodeAction(node.uuid, "bootstrap", {"part": "address"}) for node in helpers]
    known = {"nodes": " ".join(_uuids(nodes))}
    return [*found, NodeAction(helpers[0].uuid, "settle", known)]


def node_availability(cluster: ClusterSpec, nodegroup: NodegroupSpec, node: NodeSpec) -> str:
    """The availability with which a node joins."""
    if node.is_master:
        return read_labels(cluster).manager_availability
    return availability(nodegroup.node_taints)


def _uuids(nodes: Sequence[NodeSpec]) -> tuple[str, ...]:
    return tuple(node.uuid for node in nodes)
