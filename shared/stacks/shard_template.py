"""Changing a shard's template as Heat holds it. Pure.

Rule: nodes that stay keep their resources and outputs to the letter, whatever the driver would render for them today:
Heat replaces a server whose user data, flavor or zone reads differently, and an agent or a label that changed since
must not rebuild a running node. Only nodes that are new, or that were never built, are rendered afresh.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from shared.stacks.hot import Template

_OF_NODE = re.compile(r"-([0-9]+)\Z")
EMPTY: Template = {"resources": {}, "outputs": {}}


def node_index(name: str) -> int | None:
    """The index of the node that a shard's resource or output is about."""
    found = _OF_NODE.search(name)
    return int(found[1]) if found else None


def node_indexes(template: Template) -> set[int]:
    """The nodes a shard's template has."""
    return {index for name in template.get("resources") or {} if (index := node_index(name)) is not None}


def edited(held: Template, fresh: Template, kept: Collection[int]) -> Template:
    """The held template with the nodes in `kept` as they are, and all of `fresh` beside them.

    Args:
        held: what Heat has.
        fresh: the driver's rendering of the nodes that are to be made.
        kept: indexes of nodes to leave alone; every other node of `held` goes.
    """

    def section(name: str) -> dict[str, Any]:
        old, new = held.get(name) or {}, fresh.get(name) or {}
        staying = {key: value for key, value in old.items() if (index := node_index(key)) is None or index in kept}
        return staying | {key: value for key, value in new.items() if key not in staying}

    return {**held, "resources": section("resources"), "outputs": section("outputs")}
