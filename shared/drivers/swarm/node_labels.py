"""Labels and taints of nodegroups, as Swarm has them: node labels, and the availability of nodes.

Rule: a label that no placement constraint could name is refused. Swarm has no taints; their effects are those of a
node's availability, so a taint is accepted for its effect. Source: SwarmKit's constraint expressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jeroboam.driver import FieldProblem

# Docker reserves the first three, Jeroboam uses the last.
_RESERVED = ("com.docker.", "io.docker.", "org.dockerproject.", "io.jeroboam.")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{1,127}")
_VALUE = re.compile(r"[A-Za-z0-9:_./-]{0,255}")
_EFFECTS = {"NoSchedule": "pause", "NoExecute": "drain"}


def is_label(key: str, value: str) -> bool:
    return bool(_KEY.fullmatch(key) and _VALUE.fullmatch(value)) and not key.startswith(_RESERVED)


def problems(labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]) -> list[FieldProblem]:
    """Labels and taints of a nodegroup that would have no effect."""
    found = []
    for key, value in labels.items():
        if key.startswith(_RESERVED):
            found.append(
                FieldProblem("node_labels", f"key {key[:100]!r} has a reserved prefix: {', '.join(_RESERVED)}")
            )
        elif not _KEY.fullmatch(key):
            rule = "2 to 128 letters, digits, '_', '.' and '-', a letter or '_' first, such as disk"
            found.append(FieldProblem("node_labels", f"key {key[:100]!r} must be {rule}"))
        elif not _VALUE.fullmatch(value):
            rule = "at most 255 letters, digits, ':', '_', '.', '/' and '-'"
            found.append(FieldProblem("node_labels", f"the value {value[:100]!r} of {key} must be {rule}"))
    for index, taint in enumerate(taints):
        if taint.get("effect") not in _EFFECTS:
            text = "Swarm pauses a node (NoSchedule) or drains it (NoExecute)"
            found.append(
                FieldProblem("node_taints", f"node_taints[{index}].effect must be {' or '.join(_EFFECTS)}: {text}")
            )
        elif not taint.get("key"):
            found.append(FieldProblem("node_taints", f"node_taints[{index}].key is required"))
    return found


def availability(taints: Sequence[Mapping[str, str]]) -> str:
    """The availability of a node with these taints: the strongest effect counts."""
    wanted = {_EFFECTS.get(taint.get("effect", "")) for taint in taints}
    return next((each for each in ("drain", "pause") if each in wanted), "active")
