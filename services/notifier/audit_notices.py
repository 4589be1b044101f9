"""The audit log as CADF notifications, of the form that Keystone's audit middleware sends for other services.

Rule: a listener that reads `audit.http.response` of other services reads these. `audit.http.request`, which says the
same before the outcome is known, is not sent. IDs are those of events, so that a repetition is recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from sqlalchemy import text

from services.notifier.notices import Notices, Notification
from shared.bus.oslo import INFO

SERVICE = "service/container-infra"
UNKNOWN = "unknown"
_ACTIONS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_READ = text("""
SELECT position, id, type, time, data FROM events
WHERE position > :after AND position <= :last AND type = ANY(:types)
ORDER BY position LIMIT :batch
""")


class AuditNotices(Notices):
    """`Notices` about requests."""

    name = "audit-notifications"
    word = "audit_notices"
    types = ("request.accepted.v1", "request.rejected.v1")
    read = _READ

    def form(self, event: Mapping[str, Any]) -> Notification:
        return Notification("audit.http.response", INFO, payload(event))


def payload(event: Mapping[str, Any]) -> dict[str, Any]:
    """The CADF event of a record (`RequestAudited`)."""
    record = event["data"]
    time = event["time"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
    host = {"address": record.get("address"), "agent": record.get("agent")}
    return {
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "eventType": "activity",
        "id": event["id"],
        "eventTime": time,
        "action": action_of(record["method"], record.get("route")),
        "outcome": "success" if record["status"] < 400 else "failure",
        "observer": {"id": "target"},
        "initiator": {
            "typeURI": "service/security/account/user",
            "id": record.get("user_id") or UNKNOWN,
            "name": record.get("user_name") or UNKNOWN,
            "host": {key: value for key, value in host.items() if value is not None},
            "project_id": record.get("project_id") or UNKNOWN,
            "request_id": record["request_id"],
            "credential": {"token": "***", "identity_status": "Confirmed" if record.get("user_id") else "Invalid"},
        },
        "target": {"typeURI": type_uri(record.get("route")), "id": "jeroboam", "name": "jeroboam"},
        "requestPath": record["path"],
        "reason": {"reasonType": "HTTP", "reasonCode": str(record["status"])},
        "tags": [f"correlation_id?value={record['request_id']}"],
        "reporterchain": [{"role": "modifier", "reporterTime": time, "reporter": {"id": "target"}}],
    }


def action_of(method: str, route: str | None) -> str:
    """CADF's action. A POST to a part of something that exists changes it, such as `{cluster_id}/actions/resize`."""
    parts = (route or "").split("/")
    if method == "POST" and any(part.startswith("{") for part in parts) and parts[-1] != "nodegroups":
        return "update"
    return _ACTIONS.get(method, UNKNOWN)


def type_uri(route: str | None) -> str:
    """The kind of what is asked for: the fixed parts of its path, without the version."""
    parts = [part for part in (route or "").split("/")[2:] if part and not part.startswith("{")]
    return "/".join((SERVICE, *parts)) if parts else UNKNOWN
