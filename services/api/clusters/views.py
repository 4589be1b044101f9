"""JSON representations of clusters and nodegroups.

Rule: a view is a pure function of a row. It defines attribute names, nulls and what a microversion hides, nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from services.api.reader import Row
from services.api.wire.microversion import CLUSTER_ID, Microversion
from services.api.wire.rendering import links

REDUCED = (
    "uuid",
    "name",
    "cluster_template_id",
    "keypair",
    "docker_volume_size",
    "labels",
    "node_count",
    "master_count",
    "status",
    "health_status",
    "master_flavor_id",
    "flavor_id",
    "create_timeout",
)
FULL = (
    *REDUCED,
    "status_reason",
    "health_status_reason",
    "discovery_url",
    "api_address",
    "coe_version",
    "container_version",
    "project_id",
    "user_id",
    "fixed_network",
    "fixed_subnet",
    "floating_ip_enabled",
    "master_lb_enabled",
    "node_addresses",
    "master_addresses",
)
NODEGROUP_REDUCED = (
    "uuid",
    "name",
    "flavor_id",
    "image_id",
    "node_count",
    "role",
    "is_default",
    "stack_id",
    "status",
    "min_node_count",
    "max_node_count",
)
NODEGROUP_FULL = (
    *NODEGROUP_REDUCED,
    "id",
    "cluster_id",
    "project_id",
    "docker_volume_size",
    "labels",
    "node_addresses",
    "status_reason",
    "version",
    "node_labels",
    "node_taints",
)
NODEGROUP_ACCEPTED = (
    *("uuid", "name", "cluster_id", "project_id", "labels", "links", "flavor_id", "image_id", "node_count", "role"),
    *("min_node_count", "max_node_count", "merge_labels", "labels_overridden", "labels_added", "labels_skipped"),
)
NODEGROUP_GIVEN = ("docker_volume_size", "node_labels", "node_taints")


def reduced(row: Row, base: str, version: Microversion) -> dict[str, Any]:
    """A cluster in a list."""
    view = {name: row[name] for name in REDUCED}
    view["merge_labels"] = False
    view["links"] = links(base, "clusters", row["uuid"])
    view["cluster_id" if version >= CLUSTER_ID else "stack_id"] = row["stack_id"]
    return view


def full(row: Row, base: str, version: Microversion) -> dict[str, Any]:
    """A cluster with all attributes; the row contains its template's labels as `parent_labels`."""
    view = {name: row[name] for name in FULL}
    view["merge_labels"] = False
    view["links"] = links(base, "clusters", row["uuid"])
    view["cluster_id" if version >= CLUSTER_ID else "stack_id"] = row["stack_id"]
    view |= _label_differences(row["labels"], row["parent_labels"])
    view |= _times(row)
    return view


def one(row: Row, base: str, version: Microversion) -> dict[str, Any]:
    """As `full`, with the faults of a failed cluster, which lists do not show."""
    view = full(row, base, version)
    return view | {"faults": row["faults"]} if row["status"].endswith("_FAILED") else view


def nodegroup_reduced(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in NODEGROUP_REDUCED} | {"merge_labels": False}


def nodegroup_full(row: Row, base: str) -> dict[str, Any]:
    """A nodegroup with all attributes; the row contains its cluster's labels as `parent_labels`."""
    view = {name: row[name] for name in NODEGROUP_FULL}
    view["merge_labels"] = False
    view["links"] = links(base, "clusters", row["cluster_id"], "nodegroups", row["uuid"])
    return view | _label_differences(row["labels"], row["parent_labels"]) | _times(row)


def nodegroup_accepted(row: Row, base: str, given: Collection[str]) -> dict[str, Any]:
    """The response to a POST: the attributes that Magnum sets before storing the row, and those in the request."""
    known = {*NODEGROUP_ACCEPTED, *(name for name in NODEGROUP_GIVEN if name in given)}
    return {name: value for name, value in nodegroup_full(row, base).items() if name in known}


def _label_differences(own: Mapping[str, str], parent: Mapping[str, str]) -> dict[str, Any]:
    """How labels differ from inherited ones: the parent's values of overridden labels, added labels, skipped labels."""
    return {
        "labels_overridden": {key: parent[key] for key in own if key in parent and parent[key] != own[key]},
        "labels_added": {key: own[key] for key in own if key not in parent},
        "labels_skipped": {key: parent[key] for key in parent if key not in own},
    }


def _times(row: Row) -> dict[str, str | None]:
    return {name: row[name].isoformat() if row[name] else None for name in ("created_at", "updated_at")}
