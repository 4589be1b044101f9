"""Commands that concern agents: removing, noting and relabelling them.

Rule: masters find an agent by the attribute that carries the node's UUID. An agent that is unreachable is not listed by
Mesos, so masters note the IDs of agents when they have joined. A bootstrap machine is no node of Mesos, so that no
command concerns it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jeroboam.driver import BOOTSTRAP, Drain, NodeAction, NodegroupSpec, NodeSpec, Removal, joined_masters
from shared.drivers.mesos_agents.attributes import attributes, is_attribute

BATCH = 20


def drain(leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], seconds: int) -> Drain:
    """Agents are removed in batches that are spread over the masters; masters cannot leave."""
    helpers = joined_masters([node for node in nodes if node not in leaving])
    leaving_masters = {node.uuid: "a master cannot be removed" for node in leaving if node.is_master}
    agents = [node for node in leaving if _is_agent(node)]
    idle = frozenset(node.uuid for node in leaving if node.role == BOOTSTRAP)
    if not helpers:
        reason = "the cluster has no working master"
        return Drain((), idle, leaving_masters | dict.fromkeys([node.uuid for node in agents], reason))
    batches = [agents[start : start + BATCH] for start in range(0, len(agents), BATCH)]
    return Drain(
        [
            Removal(_removal(helpers[number % len(helpers)], batch, agents, seconds), _uuids(batch))
            for number, batch in enumerate(batches)
        ],
        idle,
        leaving_masters,
    )


def forget(node: NodeSpec, nodes: Sequence[NodeSpec], seconds: int) -> NodeAction | None:
    """Mesos accepts a machine that joins again as another agent; the tasks of the old one are given up at once."""
    helpers = joined_masters([each for each in nodes if each.uuid != node.uuid])
    return _removal(helpers[0], [node], [node], seconds) if helpers and _is_agent(node) else None


def _removal(helper: NodeSpec, batch: Sequence[NodeSpec], leaving: Sequence[NodeSpec], seconds: int) -> NodeAction:
    arguments: dict[str, str | int] = {
        "nodes": " ".join(f"{node.uuid}/{node.name}" for node in batch),
        "leaving": " ".join(_uuids(leaving)),
        "timeout": seconds,
    }
    return NodeAction(helper.uuid, "remove-nodes", arguments)


def settle(nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    """After nodes have joined: each master notes the IDs of all agents."""
    known = {"nodes": " ".join(node.uuid for node in nodes if _is_agent(node))}
    return [NodeAction(node.uuid, "note-agents", known) for node in joined_masters(nodes)] if known["nodes"] else []


def relabelling(
    nodegroup: NodegroupSpec, nodes: Sequence[NodeSpec], old: Mapping[str, str], own: Mapping[str, str]
) -> list[NodeAction]:
    """Restart the nodegroup's agents with its attributes, one after another.

    Args:
        own: attributes of the engine's own.
    """

    def given(labels: Mapping[str, str]) -> dict[str, str]:
        return {key: value for key, value in labels.items() if is_attribute(key, value)}

    if given(old) == given(nodegroup.node_labels):
        return []
    return [
        NodeAction(node.uuid, "set-attributes", {"attributes": attributes(nodegroup, node, own)})
        for node in nodes
        if node.nodegroup_id == nodegroup.uuid and node.has_joined and node.role != BOOTSTRAP
    ]


def _is_agent(node: NodeSpec) -> bool:
    return not node.is_master and node.role != BOOTSTRAP


def _uuids(nodes: Sequence[NodeSpec]) -> tuple[str, ...]:
    return tuple(node.uuid for node in nodes)
