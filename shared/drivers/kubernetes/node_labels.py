"""Checks labels and taints of nodes as the kubelet and the API server do.

Rule: the kubelet does not start with a label in a restricted namespace, and the API server rejects a node with a
malformed label or taint, so the node would never join; both are rejected in the request. Sources: the kubelet's
documentation of `--node-labels`; Kubernetes' documentation of the syntax of labels, and of taints.
"""

from __future__ import annotations

import re
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
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PREFIX = re.compile(rf"{_PART}(\.{_PART})*")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LONGEST_PREFIX = 253
_LONGEST_NAME = 63
_NAME_RULE = (
    f"at most {_LONGEST_NAME} letters, digits, '-', '_' and '.', with a letter or digit at both ends, such as tier"
)
KEY_RULE = f"{_NAME_RULE}, optionally after a DNS name in lower case and a '/', such as example.org/tier"
VALUE_RULE = f"empty, or {_NAME_RULE.replace('tier', 'gold')}"


def is_key(text: str) -> bool:
    """Whether Kubernetes accepts the text as the key of a label or taint."""
    prefix, slash, name = text.rpartition("/")
    if slash and not (len(prefix) <= _LONGEST_PREFIX and _PREFIX.fullmatch(prefix)):
        return False
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def is_value(text: str) -> bool:
    """Whether Kubernetes accepts the text as the value of a label or taint."""
    return not text or (len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None)


def is_taint(taint: Mapping[str, str]) -> bool:
    """Whether Kubernetes accepts the taint."""
    return not _taint_problem(taint)


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
    for key, value in labels.items():
        if not is_key(key):
            found.append(FieldProblem("node_labels", f"key {key[:100]!r} must be {KEY_RULE}"))
        elif not is_value(value):
            found.append(FieldProblem("node_labels", f"the value {value[:100]!r} of {key} must be {VALUE_RULE}"))
    first: dict[tuple[str, str], int] = {}
    for index, taint in enumerate(taints):
        why = _taint_problem(taint)
        if not why and (before := first.setdefault((taint["key"], taint["effect"]), index)) != index:
            why = f" has the key and the effect of node_taints[{before}]; a node has at most one taint for both"
        if why:
            found.append(FieldProblem("node_taints", f"node_taints[{index}]{why}"))
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
    if not is_key(taint["key"]):
        return f".key {taint['key'][:100]!r} must be {KEY_RULE}"
    if not is_value(taint.get("value", "")):
        return f".value {taint['value'][:100]!r} must be {VALUE_RULE}"
    if taint.get("effect") not in EFFECTS:
        return f".effect must be one of {', '.join(EFFECTS)}"
    return ""
