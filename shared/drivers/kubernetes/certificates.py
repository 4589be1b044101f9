"""Commands for agents of joined nodes during a rotation of certificate authorities.

Rule: commands contain no secrets. They make a node apply the certificates and keys of its bootstrap; only masters get
keys.
"""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import NodeAction, NodeSpec, joined_masters

RESTART_SECONDS = 900


def actions(node: NodeSpec) -> list[NodeAction]:
    """Run the part of the bootstrap that updates certificates."""
    return [NodeAction(node.uuid, "bootstrap", {"part": "certificates"})]


def trust_refresh(nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    """Restart the pods, because they read their trusted certificates at start."""
    joined = joined_masters(nodes)
    return [NodeAction(joined[0].uuid, "restart-workloads", {"timeout": RESTART_SECONDS})] if joined else []
