"""Labels of nodegroups as Mesos has them: attributes of agents, on which frameworks place tasks.

Rule: a label that `--attributes` would read as something else is refused. Mesos has no taints, so they are refused too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jeroboam.driver import FieldProblem, NodegroupSpec, NodeSpec

# By this attribute, masters find the agent of a machine: names and addresses can be those of an earlier one.
NODE = "jeroboam_node"
NODEGROUP = "jeroboam_nodegroup"
_RESERVED = "jeroboam_"
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,127}")
_VALUE = re.compile(r"[A-Za-z0-9_./-]{1,255}")


def is_attribute(key: str, value: str) -> bool:
    return bool(_KEY.fullmatch(key) and _VALUE.fullmatch(value)) and not key.startswith(_RESERVED)


def problems(labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]) -> list[FieldProblem]:
    """Labels and taints of a nodegroup that cannot become attributes."""
    found = []
    for key, value in labels.items():
        if key.startswith(_RESERVED):
            found.append(FieldProblem("node_labels", f"key {key[:100]!r} has the reserved prefix {_RESERVED}"))
        elif not _KEY.fullmatch(key):
            rule = "1 to 128 letters, digits, '_', '.', '/' and '-', a letter first, such as disk"
            found.append(FieldProblem("node_labels", f"key {key[:100]!r} must be {rule}"))
        elif not _VALUE.fullmatch(value):
            rule = "1 to 255 letters, digits, '_', '.', '/' and '-'"
            found.append(FieldProblem("node_labels", f"the value {value[:100]!r} of {key} must be {rule}"))
    if taints:
        found.append(FieldProblem("node_taints", "Mesos has no taints; use constraints on node_labels"))
    return found


def attributes(nodegroup: NodegroupSpec, node: NodeSpec, own: Mapping[str, str] | None = None) -> str:
    """The value of `--attributes` of a node's agent. Labels that an earlier version stored and Mesos cannot have are
    left out.

    Args:
        own: attributes of the engine's own.
    """
    labels = {key: value for key, value in sorted(nodegroup.node_labels.items()) if is_attribute(key, value)}
    given = {NODE: node.uuid, NODEGROUP: nodegroup.uuid, **labels, **(own or {})}
    return ";".join(f"{key}:{value}" for key, value in given.items())
