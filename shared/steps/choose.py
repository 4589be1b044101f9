"""Selects the nodes to remove when a nodegroup shrinks. Pure.

Rule: nodes named in the request are always removed, and so are nodes whose machines are lost, which others replace. The
rest follows in this order: nodes that failed or were never created, nodes that have not joined yet, then the others. Of
these, nodes with an outdated image go first; of equals, one of the fullest availability zone goes, so that the zones
stay even; then the newest.
Masters hold the cluster's data, so a master is only removed if the request names it; one whose machine is lost is also
replaced if the engine can replace masters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from jeroboam.driver import NodeSpec
from jeroboam.driver.labels import zone_number
from shared.domain.states import NodeState

_MISSED_LEAST = {NodeState.FAILED: 0, NodeState.PLANNED: 0, NodeState.CREATING: 1, NodeState.ANNOUNCED: 1}
_MISSED_MOST = 2


def leaving(
    nodes: Sequence[NodeSpec],
    count: int,
    asked: Collection[str],
    *,
    outdated: Collection[str] = (),
    replaces_masters: bool = False,
    zones: int = 1,
) -> list[NodeSpec]:
    """The nodes to remove, in the order of selection.

    Args:
        nodes: those of one nodegroup; nodes that are already being removed are ignored.
        count: the number of nodes that remain.
        asked: uuids of nodes to remove regardless of the count.
        outdated: uuids of nodes that an upgrade has not replaced yet.
        replaces_masters: whether the engine can replace a master whose machine is lost.
        zones: the number of availability zones that the nodegroup's nodes have in turn.
    """
    present = [node for node in nodes if node.state != NodeState.REMOVING]
    going = {
        node.uuid for node in present if node.uuid in asked or (node.lost and (replaces_masters or not node.is_master))
    }
    chosen = sorted((node for node in present if node.uuid in going), key=lambda node: node.index)
    others = [node for node in present if node.uuid not in going and not node.is_master]
    surplus = max(0, len(present) - len(chosen) - count)
    filled = Counter(zone_number(node.index, zones) for node in present if node.uuid not in going)
    for _ in range(min(surplus, len(others))):
        node = min(
            others,
            key=lambda each: _order(each, each.uuid not in outdated, filled[zone_number(each.index, zones)]),
        )
        others.remove(node)
        filled[zone_number(node.index, zones)] -= 1
        chosen.append(node)
    return chosen


def _order(node: NodeSpec, current: bool, in_zone: int) -> tuple[int, bool, int, int]:
    return _MISSED_LEAST.get(NodeState(node.state), _MISSED_MOST), current, -in_zone, -node.index
