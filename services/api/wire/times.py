"""Parses times in requests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.api.wire.errors import invalid_field
from services.api.wire.fields import string


def time(name: str, value: Any) -> datetime:
    """Parse a time in ISO 8601; without a zone, it is UTC."""
    text = string(longest=64)(name, value)
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid_field(name, text, "Value should be a time, such as 2026-11-25T10:00:00Z") from None
