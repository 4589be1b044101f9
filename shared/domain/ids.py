"""Identifiers. UUIDs of version 7 sort by time, which improves the locality of indexes and the order of lists."""

from __future__ import annotations

import uuid_utils


def new_id() -> str:
    """A new UUID (version 7), as text."""
    return str(uuid_utils.uuid7())
