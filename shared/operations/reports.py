"""Processes the reports of nodes' agents.

Rule: a report describes the present and may arrive twice or late; it moves a node forward or changes nothing. A
heartbeat without news is written only every few minutes, so that idle nodes cause few writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Node, Nodegroup
from shared.domain.errors import Conflict
from shared.domain.states import NODE_MOVES, NodeState, check_node_move
from shared.events.catalog import NodeChanged
from shared.events.log import emit
from shared.operations.requests import make_due

HEARTBEAT_WRITE_EVERY = timedelta(minutes=5)

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
    addresses: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Take one report.

    Args:
        session: the caller's transaction, in which the cluster (but for heartbeats) and then `node` are locked.
        kind: one of REPORT_KINDS.
        now: the present.
        addresses: the node's own addresses, the first one being its main one.
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
        _take_heartbeat(node, dict(data), now)
        return
    target = _STATE_OF_REPORT[kind]
    node.last_report_at = now
    if addresses and node.ip_address is None:
        node.ip_address = addresses[0]
    if target not in NODE_MOVES[state]:
        return  # a report that came twice or late: the node is further already
    if kind == "joined":
        node.joined_at = now
        node.version = str(data["version"])[:64] if data.get("version") else node.version
    elif kind == "announced":
        node.announced_at = now
    await make_due(session, node.cluster_id)
    await move_node(session, node, target, project_id=project_id, reason=reason)


def _take_heartbeat(node: Node, health: dict[str, Any], now: datetime) -> None:
    quiet = node.health == health and node.last_report_at is not None
    if quiet and now - node.last_report_at < HEARTBEAT_WRITE_EVERY:  # type: ignore[operator]
        return
    node.health = health
    node.last_report_at = now


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
    node.updated_at = func.now()
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
