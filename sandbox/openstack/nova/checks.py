"""What Nova refuses in the fields of a server, in its words. Source: Nova's API reference and its JSON schemas."""

from __future__ import annotations

import re
from typing import Any

from sandbox.openstack.wire import ApiError

ZONES = ("nova", "az1", "az2")
LONGEST = 255
_METADATA_KEY = re.compile(r"[a-zA-Z0-9-_:. ]{1,255}")


def server(fields: dict[str, Any], *, limit: int) -> None:
    """Refuse a bad name, metadata or zone.

    Args:
        limit: the quota of metadata items, -1 for none.
    """
    name(fields.get("name"))
    metadata(fields.get("metadata") or {}, limit=limit)
    zone = fields.get("availability_zone")
    if zone and str(zone).partition(":")[0] not in ZONES:
        raise ApiError(400, "The requested availability zone is not available")


def name(value: Any) -> None:
    """Refuse the name of a server that is empty, too long or not printable."""
    if not isinstance(value, str):
        raise _invalid("name", value, f"{value!r} is not of type 'string'")
    if not value.strip():
        raise _invalid("name", value, f"{value!r} is too short")
    if len(value) > LONGEST:
        raise _invalid("name", value, f"{value!r} is too long")
    if value != value.strip() or not value.isprintable():
        raise _invalid("name", value, f"{value!r} does not match the pattern of printable characters")


def metadata(items: dict[str, Any], *, limit: int) -> None:
    """Refuse metadata whose keys or values are too long, or too many of them."""
    for key, value in items.items():
        if not _METADATA_KEY.fullmatch(str(key)):
            raise _invalid(
                "metadata", items, f"{str(key)!r} does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{{1,255}}$'"
            )
        if len(str(value)) > LONGEST:
            raise _invalid(str(key), value, f"{str(value)!r} is too long")
    if 0 <= limit < len(items):
        raise ApiError(403, f"Maximum number of metadata items exceeds {limit}")


def _invalid(field: str, value: Any, why: str) -> ApiError:
    return ApiError(400, f"Invalid input for field/attribute {field}. Value: {value}. {why}")
