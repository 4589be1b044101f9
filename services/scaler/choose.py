"""Which nodes of a nodegroup go when it gets smaller. Pure.

Rule: what was asked for goes in any case. Of the others those go first that the cluster misses least: the ones that
failed or were never made, then those that have not joined yet, then the newest. Masters hold the cluster's data, so
none goes unless it was asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from jeroboam.driver import NodeSpec
from shared.domain.states import NodeState

_MISSED_LEAST = {NodeState.FAILED: 0, NodeState.PLANNED: 0, NodeState.CREATING: 1, NodeState.ANNOUNCED: 1}
_MISSED_MOST = 2


def leaving(nodes: Sequence[NodeSpec], count: int, asked: Collection[str]) -> list[NodeSpec]:
    """The nodes that go, in the order in which they were chosen.

    Args:
        nodes: those of one nodegroup; nodes that are being removed already do not count.
        count: how many there shall be.
        asked: uuids of nodes to remove whatever the count is.
    """
    present = [node for node in nodes if node.state != NodeState.REMOVING]
    chosen = sorted((node for node in present if node.uuid in asked), key=lambda node: node.index)
    others = sorted((node for node in present if node.uuid not in asked and not node.is_master), key=_order)
    surplus = len(present) - len(chosen) - count
    return chosen + others[: max(0, surplus)]


def _order(node: NodeSpec) -> tuple[int, int]:
    return _MISSED_LEAST.get(NodeState(node.state), _MISSED_MOST), -node.index
