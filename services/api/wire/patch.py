"""JSON Patch as Magnum accepts it, and plain objects as sent by openstacksdk.

Rule: patches of all resources are parsed and applied here. A resource defines its `Rules` and handles the changed
attributes. Clients of Magnum send dictionaries and lists as strings that contain a Python or JSON literal, because its
schema allows only strings and integers; objects and lists of JSON are accepted beside them for `Rules.structured`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jsonpatch
from starlette.requests import Request

from services.api.reader import Row
from services.api.wire.bodies import read_json
from services.api.wire.errors import ApiError, bad_request, invalid_field, missing_argument
from services.api.wire.fields import storable

# Magnum's pattern, plus dots, which label names can contain.
PATH_PATTERN = r"(/[\w.-]+)+"
_PATH = re.compile(PATH_PATTERN + r"\Z")
OPERATIONS = ("remove", "add", "replace")
_LONGEST_LITERAL = 65536
ID_MOVED = {"op": "move", "from": "/uuid", "path": "/id"}
_INTERNAL = frozenset({"created_at", "id", "links", "updated_at", "uuid", "project_id", "user_id"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What a patch of one kind of resource can change.

    Args:
        internal: attributes that cannot be set, in addition to those common to all resources.
        mandatory: attributes that cannot be removed.
        literals: attributes that are dictionaries or lists.
        structured: those of them whose value may also be a JSON object or list.
    """

    internal: frozenset[str] = frozenset()
    mandatory: frozenset[str] = frozenset()
    literals: frozenset[str] = frozenset()
    structured: frozenset[str] = frozenset()


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

    def item(self) -> dict[str, Any]:
        """The operation as it was in the patch document."""
        item = {"path": self.path, "op": self.op}
        return item if self.value is None else item | {"value": self.value}


async def read_for(
    request: Request, rules: Rules, find: Callable[[], Awaitable[Row]], *, optional: bool = False
) -> tuple[Row, list[Change]]:
    """Return the resource that a request patches, and the requested changes.

    Args:
        find: looks up the resource; called after the body was read, as in Magnum.
        optional: the body is optional in Magnum's function; a missing one is detected after the resource is looked up.

    Raises:
        ApiError: 400 for a malformed patch; errors of `find`.
    """
    body = await read_json(request, patch=True)
    if body is None:
        if optional:
            await find()
        raise missing_argument("patch")
    changes = read_patch(body, rules)
    try:
        return await find(), changes
    except ApiError as error:
        # A plain object is accepted only for an existing resource: Magnum rejects it, and its tests send one to a
        # random UUID.
        if error.status == 404 and isinstance(body, dict):
            raise _no_list(body) from None
        raise


def read_patch(body: Any, rules: Rules) -> list[Change]:
    """Parse a patch document.

    Args:
        body: a list of JSON-patch operations, or an object that is merged (each attribute replaced, null removed).

    Raises:
        ApiError: 400 if an operation is malformed or not allowed.
    """
    if isinstance(body, dict):
        # openstacksdk adds the ID it was called with.
        changes = [_merged(str(name), value) for name, value in body.items() if name != "id"]
        if not changes:
            raise _no_list(body)
    elif isinstance(body, list):
        changes = [_change(item, rules) for item in _known_by_id(body)]
    else:
        raise _no_list(body)
    for change in changes:
        _check(change, rules)
    return changes


def _known_by_id(items: list[Any]) -> list[Any]:
    """Convert a patch of openstacksdk for an object of which it knows only the ID: it moves the ID, adds the rest."""
    if ID_MOVED not in items:
        return items
    rest = [item for item in items if item != ID_MOVED]
    return [{**item, "op": "replace"} if isinstance(item, dict) and item.get("op") == "add" else item for item in rest]


def apply_changes(document: Mapping[str, Any], changes: list[Change], rules: Rules) -> dict[str, Any]:
    """Return the document after the changes, without removed attributes; `document` is not modified.

    Raises:
        ApiError: 400 for an attribute that does not exist, or is added although it exists.
    """
    for change in changes:
        if change.op == "add" and change.key is None:
            if change.attribute not in document:
                raise bad_request(f"Adding a new attribute {change.path} to the root of the resource is not allowed.")
            if document[change.attribute] not in (None, {}, []):
                text = f"The attribute {change.path} has existed, please use 'replace' operation instead."
                raise bad_request(text)
    items = [change.item() for change in changes]
    for item, change in zip(items, changes, strict=True):
        if change.op != "remove" and change.key is None and change.attribute in rules.literals:
            item["value"] = literal(change.value, items)
    try:
        patched: dict[str, Any] = jsonpatch.apply_patch(dict(document), items)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, KeyError, TypeError, ValueError) as error:
        raise _not_applied(items, error) from None
    return patched


def literal(value: Any, items: list[dict[str, Any]]) -> Any:
    """Parse a dictionary or list that may be sent as a literal in a string; `items` are shown in the error."""
    if not isinstance(value, str):
        return value
    problem: object = "the literal is too long"
    if len(value) <= _LONGEST_LITERAL:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            pass
        try:
            return ast.literal_eval(value)
        except SyntaxError as error:
            problem = error
        except (ValueError, TypeError, MemoryError, RecursionError):
            problem = "malformed node or string"  # Python's message also contains a memory address
    raise _not_applied(items, problem)


def _no_list(body: Any) -> ApiError:
    return invalid_field("patch", body, f"Value not a valid list: {str(body)[:200]}")


def _merged(name: str, value: Any) -> Change:
    if "/" in name or not _PATH.match(f"/{name}") or not storable(name):
        raise bad_request(f"Unknown attribute for argument patch: {ascii(name)[:100]}")
    return Change("remove" if value is None else "replace", name, None, value)


def _change(item: Any, rules: Rules) -> Change:
    if not isinstance(item, dict):
        raise invalid_field("patch", item, "Each operation must be an object with op, path and value")
    for name in item:
        if name not in ("op", "path", "value"):
            raise bad_request(f"Unknown attribute for argument patch: {ascii(name)[1:-1][:100]}")
    for name in ("path", "op"):
        if item.get(name) is None:
            raise invalid_field(name, None, "Mandatory field missing.")
    op, path, value = item["op"], item["path"], item.get("value")
    if not isinstance(path, str):
        raise invalid_field("path", path, "Value should be string")
    if not storable(path) or not _PATH.match(path):
        raise invalid_field("path", path, r"Value should match the pattern ^(/[\w-]+)+$")
    if op not in OPERATIONS:
        raise invalid_field("op", op, f"Value should be one of: {', '.join(OPERATIONS)}")
    attribute, _, key = path[1:].partition("/")
    if isinstance(value, dict | list | float) and (isinstance(value, float) or attribute not in rules.structured):
        wrong = f"Wrong type. Expected '(<class 'str'>, <class 'int'>)', got '{type(value)}'"
        raise invalid_field("value", value, wrong)
    return Change(str(op), attribute, key or None, value)


def _check(change: Change, rules: Rules) -> None:
    if change.key is None and (change.attribute in _INTERNAL or change.attribute in rules.internal):
        raise bad_request(f"'{change.path}' is an internal attribute and can not be updated")
    if change.key is None and change.attribute in rules.mandatory and change.op == "remove":
        raise bad_request(f"'{change.path}' is a mandatory attribute and can not be removed")
    if change.op != "remove" and change.value is None:
        raise bad_request("'add' and 'replace' operations needs value")


def _not_applied(items: list[dict[str, Any]], reason: object) -> ApiError:
    return bad_request(f"Couldn't apply patch '{str(items)[:2000]}'. Reason: {str(reason)[:500]}")
