"""JSON Schemas of PATCH bodies: Magnum's list of operations, or openstacksdk's plain object.

Rule: an object has exactly the attributes that can be changed, with their schemas of POST, and null if an attribute can
be removed; the operations of nodegroups and webhooks also take
objects and lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.api.clusters.fields import FIELDS as CLUSTER_FIELDS
from services.api.clusters.fields import HEALTH
from services.api.federations.manage import FIELDS as FEDERATION_FIELDS
from services.api.nodegroups.fields import FIELDS as NODEGROUP_FIELDS
from services.api.openapi.schemas import Schema
from services.api.templates.fields import FIELDS as TEMPLATE_FIELDS
from services.api.webhooks.fields import FIELDS as WEBHOOK_FIELDS
from services.api.wire.fields import Field
from services.api.wire.patch import ID_MOVED, OPERATIONS, PATH_PATTERN

_TARGET = {"type": "string", "pattern": f"^{PATH_PATTERN}$"}
_WRITTEN = ["string", "integer", "boolean"]


def _operation(ops: Iterable[str], required: Iterable[str], value: list[str]) -> Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {"op": {"enum": list(ops)}, "path": _TARGET, "value": {"type": value}},
        "additionalProperties": False,
    }


def _patch(attributes: dict[str, Any], written: list[str] = _WRITTEN) -> Schema:
    operations = [
        _operation([op for op in OPERATIONS if op != "remove"], ("op", "path", "value"), written),
        _operation(("remove",), ("op", "path"), [*written, "null"]),
        {"const": ID_MOVED},
    ]
    merged = {
        "type": "object",
        "properties": {"id": {}, **attributes},
        "minProperties": 1,
        "additionalProperties": False,
    }
    return {"anyOf": [{"type": "array", "items": {"anyOf": operations}}, merged]}


def _named(fields: Iterable[Field], *names: str) -> dict[str, Any]:
    return {field.name: field.schema for field in fields if field.name in names}


TEMPLATE_PATCH = _patch(
    {field.name: field.schema for field in TEMPLATE_FIELDS if not field.read_only and field.name != "uuid"}
)
CLUSTER_PATCH = _patch(
    {
        **_named(CLUSTER_FIELDS, "name", "labels", "node_count", "master_count"),
        "health_status": {"enum": [*HEALTH, None]},
        "health_status_reason": {"type": ["object", "null"]},
    }
)
NODEGROUP_PATCH = _patch(
    _named(NODEGROUP_FIELDS, "min_node_count", "max_node_count", "node_labels", "node_taints"),
    [*_WRITTEN, "object", "array"],
)
FEDERATION_PATCH = _patch(_named(FEDERATION_FIELDS, "member_ids", "properties"))
WEBHOOK_PATCH = _patch(
    {field.name: field.schema for field in WEBHOOK_FIELDS if not field.read_only}, [*_WRITTEN, "array"]
)
