"""Upgrades Docker Engine node by node: managers first, the leader last.

Rule: predictable failures are rejected in the request, and packages are downloaded before a node is drained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from jeroboam.driver import ClusterSpec, NodeAction, NodeSpec, helping_master
from shared.drivers.swarm.labels import Labels, read_labels, version_numbers

LABEL = "docker_version"
DRAIN_SECONDS = 600


def upgraded_labels(cluster: ClusterSpec, labels: Mapping[str, str]) -> dict[str, str]:
    """The cluster's labels with the template's version."""
    wanted = str(labels.get(LABEL) or "").strip()
    return {**cluster.labels, LABEL: wanted} if wanted else dict(cluster.labels)


def problems(cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
    """Why the cluster cannot be upgraded to the version of a template with `labels`."""
    if not str(labels.get(LABEL) or "").strip():
        return [f"label {LABEL}: the template does not name the version to upgrade to"]
    target = replace(cluster, labels=upgraded_labels(cluster, labels))
    if wrong := Labels.problems(target):
        return wrong
    old, new = read_labels(cluster).docker_version, read_labels(target).docker_version
    if old and new and version_numbers(new) < version_numbers(old):
        return [f"label {LABEL}: {new} is older than the cluster's {old}, and managers cannot be downgraded"]
    return []


def actions(cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    """Download packages, drain the node, upgrade it, make it available again."""
    version = {"version": read_labels(cluster).docker_version or ""}
    helper = helping_master(node, nodes)
    return [
        NodeAction(node.uuid, "upgrade-prepare", version),
        NodeAction(helper, "drain", {"node": node.uuid, "timeout": DRAIN_SECONDS}),
        NodeAction(node.uuid, "upgrade", version),
        NodeAction(helper, "activate", {"node": node.uuid}),
    ]


def order(nodes: Sequence[NodeSpec], facts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The leader last: each change of the leader interrupts the managers' API for an election."""
    leaders = [node.uuid for node in nodes if facts.get(node.uuid, {}).get("leader") == "yes"]
    return [node.uuid for node in nodes if node.uuid not in leaders] + leaders
