"""The attributes of a webhook, in POST and PATCH, and the limits of each.

Rule: one table of parsers serves both requests. Whether requests may be sent to a URL is decided by the same policy
that the notifier applies to every attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.api.webhooks.views import ATTRIBUTES
from services.api.wire.errors import invalid_field
from services.api.wire.fields import Field, anything, boolean, checked, one_of, string, strings
from services.api.wire.identifiers import as_uuid
from services.api.wire.patch import Change, Rules, apply_changes
from services.api.wire.times import time
from shared.db.webhook_models import FORMATS
from shared.webhooks.filters import MAX_CLUSTERS, MAX_PATTERN, MAX_PATTERNS, OUTCOMES, likes, parse_pattern
from shared.webhooks.targets import MAX_URL, TargetPolicy

_NAME = {"type": ["string", "null"], "minLength": 1, "maxLength": 255}
_URL = {"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": MAX_URL}


def _texts(most: int, items: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["array", "null"], "maxItems": most, "items": items}


def _list(most: int, parse: Callable[[str], str]) -> Callable[[str, Any], list[str]]:
    def parsed(name: str, value: Any) -> list[str]:
        given = strings(name, value)
        if len(given) > most:
            raise invalid_field(name, value, f"Value should have at most {most} items")
        found = []
        for item in given:
            try:
                found.append(parse(item))
            except ValueError as error:
                raise invalid_field(name, item, f"Value {error}") from None
        return list(dict.fromkeys(found))

    return parsed


def _cluster(text: str) -> str:
    found = as_uuid(text)
    if found is None:
        raise ValueError("should be the UUID of a cluster")
    return found


def _outcome(text: str) -> str:
    if text not in OUTCOMES:
        raise ValueError(f"should be one of: {', '.join(OUTCOMES)}")
    return text


_CHANGEABLE = [
    Field("name", string(), _NAME),
    Field("description", string(shortest=0, longest=1024), {"type": ["string", "null"], "maxLength": 1024}),
    Field("url", string(longest=MAX_URL), _URL, mandatory=True),
    Field(
        "event_types",
        _list(MAX_PATTERNS, parse_pattern),
        _texts(MAX_PATTERNS, {"type": "string", "maxLength": MAX_PATTERN}),
    ),
    Field("cluster_ids", _list(MAX_CLUSTERS, _cluster), _texts(MAX_CLUSTERS, {"type": "string", "format": "uuid"})),
    Field("outcomes", _list(len(OUTCOMES), _outcome), _texts(len(OUTCOMES), {"enum": list(OUTCOMES)})),
    Field("format", one_of(*FORMATS), {"enum": [*FORMATS, None]}),
    Field("ordered", boolean, {"type": ["boolean", "null"]}),
    Field("enabled", boolean, {"type": ["boolean", "null"]}),
]
_NAMES = frozenset(field.name for field in _CHANGEABLE)
_LISTS = frozenset({"event_types", "cluster_ids", "outcomes"})
FIELDS = [
    *_CHANGEABLE,
    *(Field(name, anything, {}, read_only=True) for name in (*ATTRIBUTES, "links") if name not in _NAMES),
]
REDELIVER_FIELDS = [
    Field("since", time, {"type": "string", "format": "date-time"}, mandatory=True),
    Field("all", boolean, {"type": ["boolean", "null"]}),
]
RULES = Rules(
    internal=frozenset(ATTRIBUTES) - _NAMES,
    mandatory=frozenset({"name", "url"}),
    literals=_LISTS,
    structured=_LISTS,
)
DEFAULTS: dict[str, Any] = {
    "description": None,
    "event_types": [],
    "cluster_ids": [],
    "outcomes": [],
    "format": "structured",
    "ordered": False,
    "enabled": True,
}


def changed_webhook(row: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
    """The attributes that a patch can change, with their new values; a removed one has its default.

    Raises:
        ApiError: 400 for attributes that cannot be changed, and for malformed values.
    """
    patched = apply_changes({name: row[name] for name in sorted(_NAMES)}, changes, RULES)
    new: dict[str, Any] = {}
    for field in _CHANGEABLE:
        value = patched.get(field.name)
        new[field.name] = DEFAULTS[field.name] if value is None else field.parse(field.name, value)
    return new


def stored(values: dict[str, Any]) -> dict[str, Any]:
    """The columns of a webhook for its attributes."""
    return values | {"type_likes": likes(values["event_types"])}


def check_url(targets: TargetPolicy, url: str) -> None:
    """Raise 400 if no request may be sent to this URL."""
    checked(targets.parse, string(longest=MAX_URL))("url", url)
