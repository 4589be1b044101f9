"""From one version of Kubernetes to another, node by node, as kubeadm wants it.

Rule: what can be seen to fail is refused before anything starts, and what fails on a node (packages, images) fails
before the node is drained. Versions follow Kubernetes' own skew policy: never back, never past a minor version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from jeroboam.driver import ClusterSpec, NodeAction, NodeSpec, joined_masters
from shared.drivers.kubernetes.labels import DEFAULT_VERSION, label_problems, read_labels, version_numbers

DRAIN_SECONDS = 600


def upgraded_labels(cluster: ClusterSpec, labels: Mapping[str, str]) -> dict[str, str]:
    """The cluster's own labels, but the template's version."""
    return {**cluster.labels, "kube_tag": str(labels.get("kube_tag") or DEFAULT_VERSION)}


def problems(cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
    """Why the cluster cannot go to the version of a template with `labels`."""
    target = replace(cluster, labels=upgraded_labels(cluster, labels))
    wrong = label_problems(target)
    if wrong:
        return wrong
    old, new = read_labels(cluster).kube_tag, read_labels(target).kube_tag
    before, after = version_numbers(old), version_numbers(new)
    if after < before:
        return [f"label kube_tag: {new} is older than the cluster's {old}, and Kubernetes does not go back"]
    if after[0] != before[0] or after[1] > before[1] + 1:
        return [
            f"label kube_tag: from {old} to {new} skips a minor version; upgrade to v{before[0]}.{before[1] + 1} first"
        ]
    return []


def actions(cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    """Fetch what is new, empty the node, upgrade it, let pods back."""
    version = {"version": read_labels(cluster).kube_tag}
    helper = _helper(node, nodes)
    return [
        NodeAction(node.uuid, "upgrade-prepare", version),
        NodeAction(helper, "drain", {"node": node.name, "timeout": DRAIN_SECONDS}),
        NodeAction(node.uuid, "upgrade", version),
        NodeAction(helper, "uncordon", {"node": node.name}),
    ]


def _helper(node: NodeSpec, nodes: Sequence[NodeSpec]) -> str:
    """The master that drains: only masters may. Another one where there is one, since this one's API will be away."""
    joined = [each.uuid for each in joined_masters(nodes)]
    others = [uuid for uuid in joined if uuid != node.uuid]
    return (others or joined or [node.uuid])[0]
