"""Processes the reports of nodes' agents.

Rule: a report describes the present and may arrive twice or late; it moves a node forward or changes nothing. A
heartbeat without news only moves `last_report_at`, and is recorded at every second one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Node, Nodegroup
from shared.domain.errors import Conflict
from shared.domain.states import NODE_MOVES, Loss, NodeState, check_node_move
from shared.events.catalog import NodeChanged
from shared.events.log import emit
from shared.operations.attention import ask_for_look, ask_for_measure
from shared.operations.requests import make_due
from shared.operations.server_findings import is_stopped

# In heartbeats. With both, a node that lost one heartbeat is not taken for silent.
RECORD_AFTER = 1.5
SILENT_AFTER = 3
# Seconds. The first look notes when Nova launched the server; all nodes that join in this time share it.
LOOK_AFTER_JOIN = 60.0

_STATE_OF_REPORT = {
    "announced": NodeState.ANNOUNCED,
    "joined": NodeState.JOINED,
    "failed": NodeState.FAILED,
}
REPORT_KINDS = (*_STATE_OF_REPORT, "heartbeat")


async def record_report(
    session: AsyncSession,
    node: Node,
    kind: str,
    *,
    project_id: str,
    now: datetime,
    data: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Take one report.

    Args:
        session: the caller's transaction, in which the cluster (but for heartbeats without news) and then `node` are
            locked.
        kind: one of REPORT_KINDS.
        now: the present.
        data: `version` on joined; `healthy` and details on heartbeats.
        reason: why, on failed.

    Raises:
        Conflict: the node is being removed; its agent should stop.
    """
    state = NodeState(node.state)
    if state is NodeState.REMOVING:
        raise Conflict(f"Node {node.name} is being removed.")
    data = data or {}
    if kind == "heartbeat":
        await _take_heartbeat(session, node, dict(data), now, project_id=project_id)
        return
    target = _STATE_OF_REPORT[kind]
    node.last_report_at = now
    node.silent = False
    if node.loss == Loss.MACHINE:
        await ask_for_look(session, node.cluster_id)  # only Nova can say that the machine is there again
        return
    if target not in NODE_MOVES[state]:
        return  # a report that came twice or late: the node is further already
    if kind == "joined":
        node.joined_at = now
        node.removal_id = None
        await ask_for_look(session, node.cluster_id, within=LOOK_AFTER_JOIN)
        node.version = str(data["version"])[:64] if data.get("version") else node.version
    elif kind == "announced":
        node.announced_at = now
    await make_due(session, node.cluster_id)
    await move_node(session, node, target, project_id=project_id, reason=reason)


class Reporting(Protocol):
    """What of a node decides whether a heartbeat is news; a row of the table or of a query."""

    state: str
    loss: str | None
    silent: bool
    server_status: str | None
    health: dict[str, Any]
    last_report_at: datetime | None


def is_news(node: Reporting, health: Mapping[str, Any]) -> bool:
    """Whether a heartbeat changes something about the cluster, whose row is locked then."""
    if node.loss is not None:
        return True
    return node.state == NodeState.JOINED and (node.silent or node.health != health or is_stopped(node.server_status))


def is_recorded(node: Reporting, health: Mapping[str, Any], now: datetime, heartbeat_seconds: float) -> bool:
    """Whether nothing of a heartbeat without news has to be written, because the last report is recent."""
    if node.last_report_at is None or node.health != health:
        return False
    return now - node.last_report_at < timedelta(seconds=RECORD_AFTER * heartbeat_seconds)


async def _take_heartbeat(
    session: AsyncSession, node: Node, health: dict[str, Any], now: datetime, *, project_id: str
) -> None:
    news = is_news(node, health)
    stopped = is_stopped(node.server_status)
    node.health = health
    node.last_report_at = now
    node.silent = False
    if not news:
        return
    if node.loss == Loss.AGENT and node.joined_at is not None:
        # The credential is the one that the node had before, so its disk was kept.
        await make_due(session, node.cluster_id)
        await move_node(session, node, NodeState.JOINED, project_id=project_id)
    if node.loss == Loss.MACHINE or stopped:
        await ask_for_look(session, node.cluster_id)
    await ask_for_measure(session, node.cluster_id)


_EVENT_OF_STATE = {
    NodeState.ANNOUNCED: "node.announced.v1",
    NodeState.JOINED: "node.joined.v1",
    NodeState.FAILED: "node.failed.v1",
}


async def move_node(
    session: AsyncSession, node: Node, target: NodeState, *, project_id: str, reason: str | None = None
) -> None:
    """Set a node's state and emit the event that belongs to it. The move must be in the table."""
    check_node_move(NodeState(node.state), target)
    node.state = target
    node.reason = reason if target is NodeState.FAILED else None
    if target not in (NodeState.FAILED, NodeState.REMOVING):
        node.loss = None
    node.updated_at = func.now()
    await ask_for_measure(session, node.cluster_id)
    name = _EVENT_OF_STATE.get(target)
    if name is not None:
        await emit_node(session, node, name, project_id=project_id, reason=node.reason)


async def emit_node(
    session: AsyncSession, node: Node, name: str, *, project_id: str, reason: str | None = None
) -> None:
    """Tell of a node as its row is now."""
    nodegroup = await session.scalar(select(Nodegroup.name).where(Nodegroup.uuid == node.nodegroup_id))
    await emit(
        session,
        name,
        NodeChanged(
            node_id=node.uuid,
            name=node.name,
            nodegroup=nodegroup or "",
            role=node.role,
            state=NodeState(node.state),
            reason=reason,
            addresses=[address for address in (node.ip_address, node.floating_ip) if address],
        ),
        project_id=project_id,
        cluster=node.cluster_id,
    )
