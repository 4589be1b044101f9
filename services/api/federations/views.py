"""JSON representations of federations."""

from __future__ import annotations

from typing import Any

from services.api.reader import Row
from services.api.wire.rendering import links

REDUCED = ("uuid", "name", "hostcluster_id", "member_ids", "status", "properties")


def reduced(row: Row, base: str) -> dict[str, Any]:
    return {name: row[name] for name in REDUCED} | {"links": links(base, "federations", row["uuid"])}


def full(row: Row, base: str) -> dict[str, Any]:
    view = reduced(row, base) | {"status_reason": row["status_reason"]}
    return view | {name: row[name].isoformat() if row[name] else None for name in ("created_at", "updated_at")}
