"""Edits the template of a shard that is stored in Heat. Pure functions.

Rule: the resources and outputs of nodes that stay are kept unchanged, even if the driver would render them differently
now. Heat replaces a server whose user data, flavor or zone differs, and a change of the agent or a label must not
rebuild a running node. Only nodes that are new or were never created are rendered.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from shared.stacks.hot import Template

_OF_NODE = re.compile(r"-([0-9]+)\Z")
EMPTY: Template = {"resources": {}, "outputs": {}}


def node_index(name: str) -> int | None:
    """The index of the node that a resource or output of a shard belongs to."""
    found = _OF_NODE.search(name)
    return int(found[1]) if found else None


def node_indexes(template: Template) -> set[int]:
    """The indexes of the nodes in a shard's template."""
    return {index for name in template.get("resources") or {} if (index := node_index(name)) is not None}


def edited(held: Template, fresh: Template, kept: Collection[int]) -> Template:
    """Combine the nodes in `kept` from the stored template with all of `fresh`.

    Args:
        held: the template stored in Heat.
        fresh: the driver's template of the nodes to create.
        kept: indexes of nodes to keep unchanged; all other nodes of `held` are removed.
    """

    def section(name: str) -> dict[str, Any]:
        old, new = held.get(name) or {}, fresh.get(name) or {}
        staying = {key: value for key, value in old.items() if (index := node_index(key)) is None or index in kept}
        return staying | {key: value for key, value in new.items() if key not in staying}

    return {**held, "resources": section("resources"), "outputs": section("outputs")}
