"""The health of one node, from its row. Pure.

Rule: a report counts for three heartbeats. What Nova says of the machine outweighs what the node last said of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.domain.states import NodeState
from shared.operations.reports import SILENT_AFTER
from shared.operations.server_findings import is_stopped

_MOST_STATES = 100
_LONGEST_STATE = 200


class Facts(Protocol):
    """What of a node its health follows from; a row of the table or of a query."""

    state: str
    reason: str | None
    server_id: str | None
    server_status: str | None
    removal_id: str | None
    health: dict[str, Any]
    last_report_at: datetime | None


def is_silent(last_report_at: datetime | None, now: datetime, heartbeat_seconds: float) -> bool:
    """Whether a node's last report is older than three heartbeats."""
    return last_report_at is None or now - last_report_at > timedelta(seconds=SILENT_AFTER * heartbeat_seconds)


def problem_of(node: Facts) -> str | None:
    """Why a node is not healthy, whatever it reported last; None if its reports count."""
    if node.state == NodeState.FAILED:
        return node.reason or "failed"
    if node.removal_id is not None and node.state != NodeState.JOINED:
        return "the machine was relaunched and has not joined again"
    if node.state == NodeState.JOINED and is_stopped(node.server_status):
        return f"server {node.server_id} is in status {node.server_status}"
    return None


def counts(node: Facts) -> bool:
    """Whether the cluster's health depends on the node: it is, or was, part of the cluster."""
    return node.state in (NodeState.JOINED, NodeState.FAILED) or (
        node.removal_id is not None and node.state != NodeState.REMOVING
    )


def healthy_of(health: Mapping[str, Any]) -> bool | None:
    """The result of the node's own check; agents may send anything."""
    value = health.get("healthy")
    return value if isinstance(value, bool) else None


def states_of(health: Mapping[str, Any]) -> dict[str, str]:
    """The names and values that the engine's program printed on the node."""
    states = health.get("states")
    if not isinstance(states, dict):
        return {}
    found = {name: value for name, value in states.items() if isinstance(value, str) and len(value) <= _LONGEST_STATE}
    return dict(list(found.items())[:_MOST_STATES])


def shown_health(node: Facts, now: datetime, heartbeat_seconds: float) -> dict[str, Any]:
    """A node's health for users: the last report, unless it is void."""
    if problem := problem_of(node):
        return {"healthy": False, "reason": problem}
    if node.state == NodeState.JOINED and is_silent(node.last_report_at, now, heartbeat_seconds):
        since = f"since {node.last_report_at.isoformat(timespec='seconds')}" if node.last_report_at else "yet"
        return {"healthy": None, "reason": f"no report {since}"}
    return dict(node.health)
