"""Resources are identified by UUID or name, as in Magnum.

Rule: only this module decides which of them an identifier is. Text that cannot be stored in the database is not found.
"""

from __future__ import annotations

import re
from typing import Any

from services.api.wire.errors import bad_request
from services.api.wire.fields import storable

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\Z", re.IGNORECASE)


def as_uuid(ident: str) -> str | None:
    """The canonical UUID, or None if the text is not a UUID."""
    if not _UUID.match(ident):
        return None
    digits = ident.replace("-", "").lower()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid_text(_name: str, value: Any) -> str:
    """Parse a field that contains a UUID."""
    found = as_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise bad_request(f"Expected a uuid but received {ascii(value)[:100].strip(chr(39))}.")
    return found


def findable(ident: str) -> bool:
    """Whether a name can be stored in the database."""
    return 0 < len(ident) <= 255 and storable(ident)
