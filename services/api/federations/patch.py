"""Parses a patch of a federation.

Rule: these are pure functions. As in Magnum, `add` and `remove` of `/member_ids` take a cluster's UUID as value and add
or remove that cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.api.wire.errors import ApiError, bad_request, invalid_field
from services.api.wire.fields import strings
from services.api.wire.patch import Change, Rules, literal

RULES = Rules(literals=frozenset({"properties"}))
_FIXED = frozenset({"name", "hostcluster_id", "status", "status_reason"})


@dataclass(frozen=True, slots=True)
class Membership:
    """A change of the members: `add` and `remove` concern one cluster, `replace` lists all members."""

    op: str
    clusters: list[str]


def membership(changes: list[Change]) -> list[Membership]:
    """The changes of the members, in order.

    Raises:
        ApiError: 400 for attributes or changes that are not allowed.
    """
    steps: list[Membership] = []
    for change in changes:
        if change.attribute in _FIXED:
            raise bad_request(f"cannot change federation property(ies) {change.attribute}.")
        if change.attribute == "member_ids" and change.key is None:
            steps.append(_membership(change))
        elif change.op == "add" and change.key is None and change.attribute != "properties":
            raise bad_request(f"Adding a new attribute {change.path} to the root of the resource is not allowed.")
        elif change.attribute != "properties":
            raise _not_there(change)
    return steps


def patched_properties(properties: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
    """The properties after the patch; their values are not checked here.

    Raises:
        ApiError: 400 for a property that does not exist, or a value that is not a dictionary.
    """
    for change in changes:
        if change.attribute == "properties":
            properties = _properties(properties, change)
    return properties


def _membership(change: Change) -> Membership:
    if change.op == "replace":
        return Membership("replace", strings("member_ids", literal(change.value, [change.item()])))
    if change.value is None:
        return Membership("replace", [])
    if not isinstance(change.value, str):
        raise invalid_field("member_ids", change.value, "Value should be the UUID of a cluster")
    return Membership(change.op, [change.value])


def _properties(properties: dict[str, Any], change: Change) -> dict[str, Any]:
    if change.key is not None:
        rest = {key: value for key, value in properties.items() if key != change.key}
        if change.op != "add" and change.key not in properties:
            raise _not_there(change)
        return rest if change.op == "remove" else rest | {change.key: change.value}
    if change.op == "add":
        raise bad_request(f"The attribute {change.path} has existed, please use 'replace' operation instead.")
    if change.op == "remove":
        return {}
    value = literal(change.value, [change.item()])
    if not isinstance(value, dict):
        raise invalid_field("properties", change.value, "Value should be a dictionary")
    return value


def _not_there(change: Change) -> ApiError:
    why = f"can't {change.op} a non-existent object '{change.key or change.attribute}'"
    return bad_request(f"Couldn't apply patch '{[change.item()]}'. Reason: {why}")
