"""One row of ours and what the source says of it now.

Rule: what was never here is made; what is the same stays; what differs is taken from whichever side changed last, so a
second import never undoes what was done here in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cli.magnum_import.report import Outcome
from shared.db.declarative import Base

KEPT = "it was changed here since"
_NEVER = datetime.min.replace(tzinfo=UTC)


def differing(row: Base, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values a row does not have yet."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def merge(row: Base, values: Mapping[str, Any]) -> Outcome:
    """Bring a row that is here up to the source's values, unless it was changed here later."""
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
