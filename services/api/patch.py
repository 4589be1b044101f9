"""JSON patch as Magnum takes it, and plain objects as openstacksdk sends them.

Rule: a patch is reduced to a list of changes of one attribute each, before any resource looks at it; what a resource
lets be changed is the resource's business. Dictionaries and lists travel as strings holding a Python or JSON literal,
because Magnum's own schema allows only strings and integers.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import Any

from services.api.errors import bad_request, invalid_field
from services.api.fields import storable

_PATH = re.compile(r"(/[\w.-]+)+\Z")
_OPERATIONS = ("add", "replace", "remove")


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `key` is set for a path inside an attribute, e.g. `/labels/<key>`."""

    op: str
    attribute: str
    key: str | None
    value: Any

    @property
    def path(self) -> str:
        return f"/{self.attribute}" + (f"/{self.key}" if self.key else "")


def read_patch(body: Any) -> list[Change]:
    """The changes of a patch document.

    Args:
        body: a list of JSON-patch operations, or an object that is merged (each attribute replaced, null removed).

    Raises:
        ApiError: 400 when an operation is malformed.
    """
    if isinstance(body, dict):
        return [_merged(str(name), value) for name, value in body.items()]
    if not isinstance(body, list):
        raise bad_request("Request is not in valid JSON format")
    return [_change(item) for item in body]


def _merged(name: str, value: Any) -> Change:
    if not _PATH.match(f"/{name}") or not storable(name):
        raise bad_request(f"Unknown attribute: {name[:100]}")
    return Change("remove" if value is None else "replace", name, None, value)


def _change(item: Any) -> Change:
    if not isinstance(item, dict):
        raise invalid_field("patch", item, "Each operation must be an object with op, path and value")
    op, path = item.get("op"), item.get("path")
    for name, value in (("op", op), ("path", path)):
        if value is None:
            raise invalid_field(name, None, "Mandatory field missing.")
    if op not in _OPERATIONS:
        raise invalid_field("op", op, f"Value should be one of: {', '.join(_OPERATIONS)}")
    if not isinstance(path, str) or not storable(path) or not _PATH.match(path):
        raise invalid_field("path", path, r"Value should match the pattern ^(/[\w-]+)+$")
    value = item.get("value")
    if op != "remove" and value is None:
        raise bad_request("'add' and 'replace' operations needs value")
    if isinstance(value, dict | list | float):
        raise invalid_field("value", value, "Wrong type. Expected '(<class 'str'>, <class 'int'>)'")
    attribute, _, key = path[1:].partition("/")
    return Change(str(op), attribute, key or None, value)


def literal(attribute: str, value: Any) -> Any:
    """A dictionary or list that may have been sent as the text of a literal."""
    if not isinstance(value, str):
        return value
    if len(value) <= 65536:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            pass
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
    raise invalid_field(attribute, value, "Value should be a dictionary or list as a literal")
