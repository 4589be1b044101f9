"""Parses a patch of a nodegroup: its bounds, and its nodes' labels and taints."""

from __future__ import annotations

from typing import Any

from jeroboam.driver import Engine
from services.api.clusters.views import NODEGROUP_FULL
from services.api.nodegroups.fields import check_nodegroup, node_labels, node_taints
from services.api.reader import Row
from services.api.wire.fields import integer
from services.api.wire.patch import Change, Rules, apply_changes

_PARSERS = {
    "min_node_count": integer(),
    "max_node_count": integer(),
    "node_labels": node_labels,
    "node_taints": node_taints,
}
_REMOVED: dict[str, Any] = {"min_node_count": 0, "max_node_count": None, "node_labels": {}, "node_taints": []}
RULES = Rules(
    internal=frozenset(NODEGROUP_FULL) - _PARSERS.keys(),
    literals=frozenset({"node_labels", "node_taints"}),
    structured=frozenset({"node_labels", "node_taints"}),
)


def changed_nodegroup(row: Row, changes: list[Change], engine: Engine) -> dict[str, Any]:
    """Return the four columns that a patch can change, with their new values.

    Raises:
        ApiError: 400 for attributes that cannot be changed, 409 for inconsistent values.
    """
    document = {name: row[name] for name in _PARSERS}
    patched = apply_changes(document, changes, RULES)
    new: dict[str, Any] = {}
    for name, parse in _PARSERS.items():
        value = patched.get(name)
        new[name] = _REMOVED[name] if value is None else parse(name, value)
    check_nodegroup({**{name: row[name] for name in ("name", "role", "node_count")}, **new}, engine)
    return new
