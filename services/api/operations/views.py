"""JSON representations of operations, nodes and events."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from services.api.reader import Row
from services.api.wire.rendering import links, time_text
from shared.events.envelope import attributes
from shared.events.reader import LoggedEvent
from shared.operations.node_health import shown_health

OPERATION = (
    "uuid",
    "cluster_id",
    "cluster_name",
    "project_id",
    "user_id",
    "kind",
    "state",
    "params",
    "nodegroup_ids",
    "revision",
    "step",
    "step_reason",
    "done",
    "total",
    "attempts",
    "reason",
    "cancel_requested",
    "request_id",
)
OPERATION_TIMES = ("created_at", "started_at", "finished_at", "deadline_at", "next_attempt_at")
NODE = (
    "uuid",
    "cluster_id",
    "nodegroup",
    "nodegroup_id",
    "name",
    "role",
    "index",
    "shard",
    "state",
    "reason",
    "server_id",
    "server_status",
    "loss",
    "ip_address",
    "floating_ip",
    "version",
)
NODE_TIMES = ("created_at", "launched_at", "announced_at", "joined_at", "last_report_at", "updated_at")


def operation(row: Row, base: str) -> dict[str, Any]:
    view = {name: row[name] for name in OPERATION}
    view |= {name: time_text(row[name]) for name in OPERATION_TIMES}
    return view | {"links": links(base, "operations", row["uuid"])}


def operation_step(row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "started_at": time_text(row["started_at"]),
        "finished_at": time_text(row["finished_at"]),
    }


def node(row: Row, base: str, *, now: datetime, heartbeat_seconds: float) -> dict[str, Any]:
    """A node; its health is its last report, unless that is void."""
    view = {name: row[name] for name in NODE}
    view["health"] = shown_health(SimpleNamespace(**row), now, heartbeat_seconds)
    view |= {name: time_text(row[name]) for name in NODE_TIMES}
    return view | {"links": links(base, "clusters", row["cluster_id"], "nodes", row["uuid"])}


def event(logged: LoggedEvent) -> dict[str, Any]:
    """A CloudEvent in structured JSON, with its position in the log as `cursor`."""
    return attributes(logged.row) | {"data": logged.data, "cursor": str(logged.cursor)}
