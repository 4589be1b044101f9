"""The attributes of a nodegroup in a POST, and the checks shared by POST and PATCH.

Rule: checks have Magnum's messages and order. As in Magnum, a value that contradicts another one returns 409.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jeroboam.driver import BOOTSTRAP, MASTER, Engine
from services.api.wire.errors import ApiError, bad_request, conflict, invalid_field
from services.api.wire.fields import Field, Misread, anything, boolean, integer, labels, one_of, storable, string
from services.api.wire.identifiers import uuid_text
from shared.domain.states import CLUSTER_STATUSES

_MOST = 100
_TEXT = {"type": ["string", "null"], "minLength": 1, "maxLength": 255}
_COUNT = {"type": ["integer", "null"], "minimum": 0}
_TAINTS = {
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "required": ["key", "effect"],
        "properties": {"key": {"type": "string"}, "value": {"type": "string"}, "effect": {"type": "string"}},
    },
}


def node_labels(name: str, value: Any) -> dict[str, str]:
    """Parse a flat mapping of strings."""
    if not isinstance(value, Mapping):
        raise Misread(name, value, f"Value not a valid dict: {str(value)[:100]}")
    for key, item in value.items():
        if not isinstance(item, str) or not storable(item) or not storable(str(key)) or len(str(key)) > 317:
            raise invalid_field(name, ascii(value), f"Wrong type. Expected '<class 'str'>', got '{type(item)}'")
    return {str(key): item for key, item in value.items()}


def node_taints(name: str, value: Any) -> list[dict[str, str]]:
    """Parse a list of flat mappings of strings; `check_nodegroup` checks their contents."""
    if not isinstance(value, list) or len(value) > _MOST:
        raise Misread(name, value, f"Value not a valid list: {str(value)[:100]}")
    return [node_labels(name, item) for item in value]


FIELDS = [
    Field("name", string(), {**_TEXT, "type": "string"}, mandatory=True),
    Field("node_count", integer(), _COUNT),
    Field("min_node_count", integer(), _COUNT),
    Field("max_node_count", integer(), _COUNT),
    Field("role", string(), _TEXT),
    Field("flavor_id", string(), _TEXT),
    Field("image_id", string(), _TEXT),
    Field("labels", labels, {"type": ["object", "null"]}),
    Field("merge_labels", boolean, {"type": ["boolean", "null"]}),
    Field("docker_volume_size", integer(lowest=1), {"type": ["integer", "null"], "minimum": 1}),
    Field("node_labels", node_labels, {"type": ["object", "null"], "additionalProperties": {"type": "string"}}),
    Field("node_taints", node_taints, _TAINTS),
    *(Field(name, uuid_text, ignored=True) for name in ("uuid", "cluster_id")),
    Field("id", integer(lowest=-(2**31)), ignored=True),
    Field("is_default", boolean, ignored=True),
    Field("status", one_of(*CLUSTER_STATUSES), ignored=True),
    *(Field(name, anything, ignored=True) for name in ("status_reason", "version")),
    *(Field(name, labels, ignored=True) for name in ("labels_overridden", "labels_added", "labels_skipped")),
    *(Field(name, anything, {}, read_only=True) for name in ("project_id", "stack_id", "node_addresses", "links")),
    *(Field(name, anything, {}, read_only=True) for name in ("created_at", "updated_at")),
]


def check_nodegroup(values: Mapping[str, Any], engine: Engine) -> None:
    """Check that a nodegroup's values are consistent.

    Args:
        values: name, role, node_count, min_node_count, max_node_count, node_labels, node_taints.
        engine: the cluster's engine, which defines the valid labels and taints.

    Raises:
        ApiError: 409 with Magnum's message.
    """
    _check_counts(values)
    for attribute in ("node_labels", "node_taints"):
        if values["role"] == MASTER and values[attribute]:
            raise _invalid(values, attribute, f"{attribute} may not be set on master nodegroups")
    for problem in engine.node_label_problems(values["node_labels"], values["node_taints"]):
        raise _invalid(values, problem.field, problem.text)


def _check_counts(values: Mapping[str, Any]) -> None:
    count, lowest, highest = values["node_count"], values["min_node_count"], values["max_node_count"]
    if highest and highest < lowest:
        expected = f"min_node_count ({lowest}) should be less or equal to max_node_count ({highest})"
        raise _invalid(values, "max_node_count", expected)
    if highest and count > highest:
        expected = f"node_count ({count}) should be less or equal to max_node_count ({highest})"
        raise _invalid(values, "max_node_count", expected)
    if lowest > count:
        expected = f"min_node_count ({lowest}) should be less or equal to node_count ({count})"
        raise _invalid(values, "min_node_count", expected)


def _invalid(values: Mapping[str, Any], attribute: str, why: str) -> ApiError:
    return conflict(f"{attribute} for {values['name']} is invalid ({why}).")


def refuse_masters(role: str) -> None:
    """Reject nodegroups of the roles that a cluster has once: the control plane, and what others are installed from."""
    if role == MASTER:
        raise bad_request("Creating master nodegroups is currently not supported.")
    if role == BOOTSTRAP:
        raise bad_request(f"Nodegroups of the role {BOOTSTRAP} are created with their cluster.")
