"""Applies a patch to a template: which attributes can be changed or removed, and how values are parsed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from services.api.templates.fields import COLUMNS, DEFAULTS, FIELDS
from services.api.wire.patch import Change, Rules, apply_changes

RULES = Rules(
    mandatory=frozenset(
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
    ),
    literals=frozenset({"labels"}),
)
_PARSERS = {field.name: field.parse for field in FIELDS if not field.read_only}
_WHILE_REFERENCED = frozenset({"name", "public", "hidden", "tags"})


def changed_template(values: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
    """The template's columns after the changes; `values` is not modified.

    Raises:
        ApiError: 400 for an unknown attribute or an invalid value.
    """
    document = {name: values[name] for name in COLUMNS}
    patched = apply_changes(document, changes, RULES)
    new = dict(document)
    for name in COLUMNS:
        if name not in patched:
            new[name] = DEFAULTS.get(name)
        elif patched[name] != document[name] or type(patched[name]) is not type(document[name]):
            new[name] = _PARSERS[name](name, patched[name])
    return new


def may_change_referenced(changed: Collection[str]) -> bool:
    """Whether these attributes can change while clusters refer to the template: at most one, and only certain ones."""
    return len(changed) <= 1 and set(changed) <= _WHILE_REFERENCED
