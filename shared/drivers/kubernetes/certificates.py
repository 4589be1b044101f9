"""From one certificate authority to the next, on nodes that are there: what agents are told.

Rule: a node is only told to look. What it is to have comes with its bootstrap, keys to masters alone, so no command
holds a secret.
"""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import NodeAction, NodeSpec, joined_masters

RESTART_SECONDS = 900


def actions(node: NodeSpec) -> list[NodeAction]:
    """The part of the bootstrap that brings certificates in step."""
    return [NodeAction(node.uuid, "bootstrap", {"part": "certificates"})]


def trust_refresh(nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    """Pods read what they trust when they start, so they are started anew."""
    joined = joined_masters(nodes)
    return [NodeAction(joined[0].uuid, "restart-workloads", {"timeout": RESTART_SECONDS})] if joined else []
