"""Checks labels and taints of nodes as the kubelet does.

Rule: the kubelet does not start with a label in a restricted namespace, so the node would never join; the request is
rejected. Source: the kubelet's documentation of `--node-labels`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jeroboam.driver import FieldProblem

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TAINT = ("key", "value", "effect")
_ALLOWED_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_ALLOWED_LABELS = (
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "node.kubernetes.io/windows-build",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
)


def problems(labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]) -> list[FieldProblem]:
    """Labels and taints of a nodegroup that the kubelet or the API server would reject."""
    found = [
        FieldProblem(
            "node_labels",
            f"node label '{key[:100]}' is in a restricted Kubernetes namespace; the kubelet will refuse to start. "
            "Labels in the kubernetes.io/ and k8s.io/ namespaces must use one of the allowed prefixes "
            f"({', '.join(_ALLOWED_PREFIXES)}) or be one of the allowed labels ({', '.join(_ALLOWED_LABELS)}).",
        )
        for key in labels
        if _restricted(key)
    ]
    found += [
        FieldProblem("node_taints", f"node_taints[{index}]{why}")
        for index, taint in enumerate(taints)
        if (why := _taint_problem(taint))
    ]
    return found


def _restricted(key: str) -> bool:
    prefix, slash, _ = key.partition("/")
    if not slash or prefix in _ALLOWED_PREFIXES or key in _ALLOWED_LABELS:
        return False
    return f".{prefix}".endswith((".kubernetes.io", ".k8s.io"))


def _taint_problem(taint: Mapping[str, str]) -> str:
    unknown = sorted(set(taint) - set(_TAINT))
    if unknown:
        return f" contains unrecognised field(s) {', '.join(unknown)}; allowed fields are {', '.join(_TAINT)}"
    if not taint.get("key"):
        return ".key is required"
    if taint.get("effect") not in EFFECTS:
        return f".effect must be one of {', '.join(EFFECTS)}"
    return ""
