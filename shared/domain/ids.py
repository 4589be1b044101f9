"""Identifiers. Version 7 UUIDs sort by time, which keeps index pages warm and lists readable."""

from __future__ import annotations

import uuid_utils


def new_id() -> str:
    """A new UUID (version 7), as text."""
    return str(uuid_utils.uuid7())
