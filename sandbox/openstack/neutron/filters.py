"""Listing filters of the simulated Neutron.

Rule: filters with an index are applied first; all others are compared field by field. Unknown filters match nothing, as
in a strict Neutron, except those that only affect the format.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.store import Collection, Row
from sandbox.openstack.wire import Call, truth

SHAPING = frozenset(
    {"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir", "all_projects", "all_tenants"}
)
OPERATORS = ("provider:", "binding:host_id", "binding:profile")
TAGS = frozenset({"tags", "tags-any", "not-tags", "not-tags-any"})


def select(rows: Collection, call: Call) -> list[Row]:
    """The rows that match a query, in the requested order."""
    wanted: dict[str, list[str]] = {}
    for key, value in call.query:
        if key not in SHAPING:
            wanted.setdefault("project_id" if key == "tenant_id" else key, []).append(value)
    found = _narrow(rows, wanted)
    found = [row for row in found if all(_matches(row, key, values) for key, values in wanted.items())]
    keys, directions = call.all("sort_key"), call.all("sort_dir")
    for key, direction in reversed(list(zip(keys, directions + ["asc"] * len(keys), strict=False))):
        found.sort(key=lambda row, key=key: str(row.get(key) or ""), reverse=direction == "desc")  # type: ignore[misc]
    return found


def trimmed(row: Row, call: Call) -> Row:
    """Only the requested fields; for non-administrators without administrative fields."""
    fields = call.all("fields")
    if not call.access.admin:
        row = {key: value for key, value in row.items() if not key.startswith(OPERATORS)}
    return {key: row[key] for key in fields if key in row} if fields else row


def _narrow(rows: Collection, wanted: dict[str, list[str]]) -> list[Row]:
    for key, values in wanted.items():
        if key == "id":
            return [row for value in values if (row := rows.get(value)) is not None]
        index = "project" if key == "project_id" else key
        if rows.has_index(index):
            return [row for value in dict.fromkeys(values) for row in rows.where(index, value)]
    return list(rows)


def _matches(row: Row, key: str, values: list[str]) -> bool:
    if key in TAGS:
        asked = {tag for value in values for tag in value.split(",")}
        held = set(row["tags"])
        any_of, negative = key.endswith("any"), key.startswith("not-")
        return (bool(asked & held) if any_of else asked <= held) != negative
    if key == "fixed_ips":
        return all(_has_address(row, value) for value in values)
    if key == "security_groups":
        return bool(set(values) & set(row.get("security_groups", [])))
    if key not in row:
        return False
    return any(_equal(row[key], value) for value in values)


def _has_address(row: Row, condition: str) -> bool:
    field, _, value = condition.partition("=")
    return any(ip.get(field) == value for ip in row.get("fixed_ips", []))


def _equal(held: Any, asked: str) -> bool:
    if isinstance(held, bool):
        return held == truth(asked)
    if held is None:
        return asked in {"", "None"}
    return str(held) == asked
