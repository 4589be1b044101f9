"""Upgrades Kubernetes node by node with kubeadm.

Rule: predictable failures are rejected in the request, and failures on a node (packages, images) occur before the node
is drained. Versions follow Kubernetes' version skew policy: no downgrade, and no skipped minor version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from jeroboam.driver import ClusterSpec, NodeAction, NodeSpec, helping_master
from shared.drivers.kubernetes.labels import DEFAULT_VERSION, label_problems, read_labels, version_numbers

DRAIN_SECONDS = 600


def upgraded_labels(cluster: ClusterSpec, labels: Mapping[str, str]) -> dict[str, str]:
    """The cluster's labels with the template's versions; no label is added for a version that it has already."""
    after = dict(cluster.labels)
    version = str(labels.get("kube_tag") or DEFAULT_VERSION)
    if version != (cluster.labels.get("kube_tag") or DEFAULT_VERSION):
        after["kube_tag"] = version
    if labels.get("containerd_version"):
        after["containerd_version"] = str(labels["containerd_version"])
    return after


def problems(cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
    """Why the cluster cannot be upgraded to the version of a template with `labels`."""
    target = replace(cluster, labels=upgraded_labels(cluster, labels))
    wrong = label_problems(target)
    if wrong:
        return wrong
    old, new = read_labels(cluster).kube_tag, read_labels(target).kube_tag
    before, after = version_numbers(old), version_numbers(new)
    if after < before:
        return [f"label kube_tag: {new} is older than the cluster's {old}, and Kubernetes does not support downgrades"]
    if after[0] != before[0] or after[1] > before[1] + 1:
        return [
            f"label kube_tag: from {old} to {new} skips a minor version; upgrade to v{before[0]}.{before[1] + 1} first"
        ]
    return []


def actions(cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    """Download packages and images, drain the node, upgrade it, uncordon it.

    A node keeps the scripts of the version that made it. Those of the first one do not know that containerd may have to
    be upgraded, too, so they are replaced before.
    """
    labels = read_labels(cluster)
    version = {"version": labels.kube_tag}
    if labels.lowest_containerd:
        version["containerd"] = labels.lowest_containerd
    helper = helping_master(node, nodes)
    return [
        *([NodeAction(node.uuid, "bootstrap", {"part": "scripts"})] if labels.lowest_containerd else []),
        NodeAction(node.uuid, "upgrade-prepare", version),
        NodeAction(helper, "drain", {"node": node.name, "timeout": DRAIN_SECONDS}),
        NodeAction(node.uuid, "upgrade", version),
        NodeAction(helper, "uncordon", {"node": node.name}),
    ]
