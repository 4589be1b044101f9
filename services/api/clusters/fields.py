"""The attributes of `POST /v1/clusters`, and how they are completed from the template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.api.reader import Row
from services.api.wire.fields import Field, anything, boolean, integer, labels, one_of, string
from services.api.wire.identifiers import uuid_text
from shared.domain.states import CLUSTER_STATUSES

NAME_PATTERN = "^[a-zA-Z][a-zA-Z0-9_.-]*$"
_TEXT = {"type": ["string", "null"]}
_COUNT = {"type": ["integer", "null"], "minimum": 0}
_SWITCH = {"type": ["boolean", "null"]}

HEALTH = ("HEALTHY", "UNHEALTHY", "UNKNOWN")
_DIFFERENCES = ("labels_overridden", "labels_added", "labels_skipped")
_READ_ONLY = (
    "stack_id",
    "cluster_id",
    "api_address",
    "coe_version",
    "container_version",
    "project_id",
    "user_id",
    "node_addresses",
    "master_addresses",
    "links",
    "created_at",
    "updated_at",
)

FIELDS = [
    Field("name", string(longest=242, pattern=NAME_PATTERN), {**_TEXT, "maxLength": 242, "pattern": NAME_PATTERN}),
    Field("cluster_template_id", string(), {"type": "string", "minLength": 1, "maxLength": 255}, mandatory=True),
    Field("keypair", string(), _TEXT),
    Field("node_count", integer(lowest=0), _COUNT),
    Field("master_count", integer(lowest=1), {**_COUNT, "minimum": 1}),
    Field("docker_volume_size", integer(lowest=1), {**_COUNT, "minimum": 1}),
    Field("labels", labels, {"type": ["object", "null"]}),
    Field("merge_labels", boolean, _SWITCH),
    Field("flavor_id", string(), _TEXT),
    Field("master_flavor_id", string(), _TEXT),
    Field("create_timeout", integer(lowest=0), _COUNT),
    Field("discovery_url", string(shortest=0), _TEXT),
    Field("fixed_network", string(), _TEXT),
    Field("fixed_subnet", string(), _TEXT),
    Field("floating_ip_enabled", boolean, _SWITCH),
    Field("master_lb_enabled", boolean, _SWITCH),
    Field("uuid", uuid_text, ignored=True),
    Field("status", one_of(*CLUSTER_STATUSES), ignored=True),
    Field("health_status", one_of(*HEALTH), ignored=True),
    *(Field(name, labels, ignored=True) for name in ("faults", "health_status_reason", *_DIFFERENCES)),
    Field("status_reason", string(shortest=0, longest=65536), ignored=True),
    *(Field(name, anything, {}, read_only=True) for name in _READ_ONLY),
]

_INHERITED = ("docker_volume_size", "master_flavor_id", "flavor_id", "fixed_network", "fixed_subnet")


def complete(given: Mapping[str, Any], template: Row) -> dict[str, Any]:
    """The cluster's columns: the given values, completed from the template as in Magnum."""
    values: dict[str, Any] = {
        "name": given.get("name"),
        "keypair": given.get("keypair") or template["keypair_id"],
        "node_count": given.get("node_count", 1),
        "master_count": given.get("master_count", 1),
        "create_timeout": given.get("create_timeout", 60),
        "discovery_url": given.get("discovery_url"),
        "labels": _labels(given, template["labels"]),
    }
    for name in ("floating_ip_enabled", "master_lb_enabled"):
        values[name] = given.get(name, template[name])
    for name in _INHERITED:
        values[name] = given.get(name) or template[name]
    return values


def _labels(given: Mapping[str, Any], inherited: Mapping[str, str]) -> dict[str, str]:
    own = given.get("labels")
    if not own:
        return dict(inherited)
    return {**inherited, **own} if given.get("merge_labels") else dict(own)
