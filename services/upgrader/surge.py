"""What comes next when the machines of a nodegroup are replaced: a pure function of its nodes.

Rule: new nodes are added and join first (the surge), then as many old ones leave, so the nodegroup never has fewer
working nodes than its count because of the upgrade. A node that was marked for removal is removed before anything else.
A master leaves only while all others work, because each stores the cluster's data.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from jeroboam.driver import JOINED, REMOVING, NodeSpec
from shared.steps.choose import leaving


class Do(Enum):
    REMOVE = auto()  # these nodes are marked: drain them, delete their machines
    BUILD = auto()  # these new nodes are to be built and to join
    MARK = auto()  # these nodes leave next
    ADD = auto()  # so many new nodes
    REFUSE = auto()  # because of these masters, which do not work
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Move:
    """What to do, with which nodes (uuids), or with how many new ones."""

    do: Do
    nodes: Sequence[str] = ()
    number: int = 0


def next_move(
    nodes: Sequence[NodeSpec],
    outdated: Collection[str],
    count: int,
    batch: int,
    *,
    zones: int = 1,
    order: Sequence[str] = (),
) -> Move:
    """Decide what comes next for one nodegroup.

    Args:
        nodes: all of its nodes.
        outdated: uuids of nodes to replace; some may be gone.
        count: the number of nodes that it is to have.
        batch: the maximum number of new nodes at once; 1 for masters.
        zones: the number of availability zones that its nodes have in turn.
        order: the uuids of masters in the order in which they leave.
    """
    if marked := [node.uuid for node in nodes if node.state == REMOVING]:
        return Move(Do.REMOVE, marked)
    old = [node for node in nodes if node.uuid in outdated]
    waiting = [node.uuid for node in nodes if node.uuid not in outdated and node.state != JOINED]
    surplus = len(nodes) - count
    broken = [node.uuid for node in old if node.is_master and node.state != JOINED]
    if len(broken) > max(0, surplus):
        return Move(Do.REFUSE, broken)
    # What an upgrade to another image has left and this one does not need is not built.
    if waiting and (old or surplus <= 0):
        return Move(Do.BUILD, waiting)
    if surplus > 0:
        return _mark(nodes, old, surplus, zones, order)
    if old:
        return Move(Do.ADD, number=min(batch, len(old)) - surplus)
    return Move(Do.NOTHING)


def _mark(nodes: Sequence[NodeSpec], old: Sequence[NodeSpec], surplus: int, zones: int, order: Sequence[str]) -> Move:
    """Choose the nodes that leave: masters one at a time, those that do not work first; workers as a resize does."""
    if any(node.is_master for node in nodes):
        candidates = old or nodes
        place = {uuid: number for number, uuid in enumerate(order)}
        first = min(candidates, key=lambda node: (node.state == JOINED, place.get(node.uuid, node.index)))
        return Move(Do.MARK, [first.uuid])
    chosen = leaving(nodes, len(nodes) - surplus, (), outdated={node.uuid for node in old}, zones=zones)
    return Move(Do.MARK, [node.uuid for node in chosen])
