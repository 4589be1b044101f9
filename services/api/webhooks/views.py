"""JSON representations of webhooks, deliveries and attempts.

Rule: secrets are never part of a view. The path of a URL, and what was sent and received, are shown only to callers who
may change the webhook, because they can contain keys of the receiver.
"""

from __future__ import annotations

from typing import Any

from services.api.reader import Row
from services.api.wire.rendering import links, time_text
from shared.webhooks.payload import body

_PLAIN = (
    *("uuid", "project_id", "user_id", "name", "description", "event_types", "cluster_ids", "outcomes", "format"),
    *("ordered", "enabled"),
)
_TIMES = ("failing_since", "last_success_at", "old_secret_until", "created_at", "updated_at")
ATTRIBUTES = (*_PLAIN, "url", "status", "status_reason", *_TIMES)
DELIVERY = (
    "uuid",
    "webhook_id",
    "event_id",
    "event_type",
    "cluster_id",
    "state",
    "attempts",
    "last_status",
    "last_error",
)
DELIVERY_TIMES = ("created_at", "next_attempt_at", "finished_at")
_SHOWN_BODY = 20_000


def webhook(row: Row, base: str, *, private: bool) -> dict[str, Any]:
    """Args: private: whether the caller may see the whole URL."""
    view = {name: row[name] for name in _PLAIN}
    view["url"] = row["url"] if private else _host(row["url"])
    view["status"], view["status_reason"] = _status(row)
    view |= {name: time_text(row[name]) for name in _TIMES}
    return view | {"links": links(base, "webhooks", row["uuid"])}


def delivery(row: Row, base: str) -> dict[str, Any]:
    view = {name: row[name] for name in DELIVERY}
    times = {
        "created_at": row["created_at"],
        "next_attempt_at": row["due_at"] if row["state"] == "pending" else None,
        "finished_at": row["finished_at"],
    }
    view |= {name: time_text(value) for name, value in times.items()}
    return view | {"links": links(base, "webhooks", row["webhook_id"], "deliveries", row["uuid"])}


def attempt(row: Row, *, private: bool) -> dict[str, Any]:
    """Args: private: whether the caller may see headers and bodies."""
    return {
        "number": row["number"],
        "started_at": time_text(row["started_at"]),
        "duration_ms": row["duration_ms"],
        "status": row["status"],
        "error": row["error"],
        "request_headers": row["request_headers"] if private else None,
        "response_headers": row["response_headers"] if private else None,
        "response_body": row["response_body"] if private else None,
    }


def request_body(event: Row | None, fmt: str) -> str | None:
    """What is sent for an event, cut; None if the log no longer has it."""
    return None if event is None else body(event, fmt).decode()[:_SHOWN_BODY]


def _status(row: Row) -> tuple[str, str | None]:
    if row["disabled_reason"] is not None:
        return "disabled", row["disabled_reason"]
    if not row["enabled"]:
        return "paused", None
    if row["failures"]:
        return "failing", row["last_error"]
    return "active", None


def _host(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    return f"{scheme}://{host}/..."
