"""Applying a patch to a template: which attributes may change, be removed, and how values are read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from services.api.errors import ApiError, bad_request
from services.api.fields import labels as parse_labels
from services.api.patch import Change, literal
from services.api.usecases.template_fields import DEFAULTS, FIELDS

_PARSERS = {field.name: field.parse for field in FIELDS if not field.read_only and field.name != "uuid"}
_INTERNAL = frozenset({"created_at", "id", "links", "updated_at", "uuid", "project_id", "user_id"})
_NOT_REMOVABLE = frozenset(
    (
        "image_id",
        "coe",
        "network_driver",
        "external_network_id",
        "tls_disabled",
        "public",
        "server_type",
        "registry_enabled",
        "cluster_distro",
        "hidden",
    )
)
_WHILE_REFERENCED = frozenset({"name", "public", "hidden", "tags"})


def apply_changes(values: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
    """The template after the changes; `values` is not touched.

    Raises:
        ApiError: 400 for an attribute that is internal, unknown, mandatory or of the wrong form.
    """
    new = dict(values)
    for change in changes:
        if change.attribute in _INTERNAL:
            raise bad_request(f"'{change.path}' is an internal attribute and can not be updated")
        if change.attribute not in _PARSERS:
            raise _unknown(change)
        if change.key is not None:
            new["labels"] = _changed_labels(new["labels"], change)
        elif change.op == "remove":
            if change.attribute in _NOT_REMOVABLE:
                raise bad_request(f"'{change.path}' is a mandatory attribute and can not be removed")
            new[change.attribute] = DEFAULTS.get(change.attribute)
        else:
            if change.op == "add" and new[change.attribute] not in (None, {}):
                text = f"The attribute {change.path} has existed, please use 'replace' operation instead."
                raise bad_request(text)
            value = literal("labels", change.value) if change.attribute == "labels" else change.value
            new[change.attribute] = _PARSERS[change.attribute](change.attribute, value)
    return new


def _unknown(change: Change) -> ApiError:
    if change.op == "add" and change.key is None:
        return bad_request(f"Adding a new attribute {change.path} to the root of the resource is not allowed.")
    return bad_request(f"Couldn't apply patch '{change.path}'. Reason: can't {change.op} a non-existent object")


def _changed_labels(labels: dict[str, str], change: Change) -> dict[str, str]:
    if change.attribute != "labels" or change.key is None:
        raise bad_request(f"Couldn't apply patch '{change.path}'. Reason: it has no members")
    if change.op == "remove":
        if change.key not in labels:
            reason = f"can't remove a non-existent object '{change.key}'"
            raise bad_request(f"Couldn't apply patch '{change.path}'. Reason: {reason}")
        return {key: value for key, value in labels.items() if key != change.key}
    return labels | parse_labels("labels", {change.key: change.value})


def may_change_referenced(changed: Collection[str]) -> bool:
    """Whether a template that clusters refer to may change in these attributes: one at most, and a harmless one."""
    return len(changed) <= 1 and set(changed) <= _WHILE_REFERENCED
