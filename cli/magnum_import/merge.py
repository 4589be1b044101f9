"""Merges a row of the source into an existing row.

Rule: rows that do not exist are created, equal rows are kept, and for different rows the side that changed last wins,
so that a second import never reverts a change made in Jeroboam in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cli.magnum_import.report import Outcome
from shared.db.declarative import Base

KEPT = "it was changed in Jeroboam after the import"
_NEVER = datetime.min.replace(tzinfo=UTC)


def differing(row: Base, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that differ from those of the row."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def merge(row: Base, values: Mapping[str, Any]) -> Outcome:
    """Update an existing row to the source's values, unless it was changed later in Jeroboam."""
    changes = differing(row, values)
    if not changes:
        return Outcome.UNCHANGED
    if _changed(vars(row)) > _changed(values):
        return Outcome.KEPT
    for name, value in changes.items():
        setattr(row, name, value)
    return Outcome.UPDATED


def _changed(values: Mapping[str, Any]) -> datetime:
    return values.get("updated_at") or values.get("created_at") or _NEVER
