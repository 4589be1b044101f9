"""Converts Magnum's rows to values of Jeroboam's tables. These are pure functions.

Rule: UUIDs, owners and times are kept, so that references to them stay valid. A required value that Magnum does not
have gets the value that Magnum would show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cli.magnum_import.judge import status_here
from cli.magnum_import.source import SourceRow
from jeroboam.driver import ClusterSpec
from shared.domain.ids import new_id
from shared.domain.states import NodeState
from shared.drivers.magnum_imported import IMPORTED
from shared.drivers.registry import driver_names
from shared.operations.nodes import node_name
from shared.operations.specs import stored

Values = dict[str, Any]

_TEMPLATE_TEXT = (
    *("coe", "image_id", "flavor_id", "master_flavor_id", "keypair_id", "external_network_id", "fixed_network"),
    *("fixed_subnet", "dns_nameserver", "network_driver", "apiserver_port", "docker_volume_size"),
    *("docker_storage_driver", "cluster_distro", "http_proxy", "https_proxy", "no_proxy", "volume_driver"),
    *("insecure_registry", "tags"),
)
_TEMPLATE_FLAGS = ("registry_enabled", "tls_disabled", "public", "hidden", "master_lb_enabled")
_CLUSTER_SAME = (
    *("keypair", "docker_volume_size", "flavor_id", "master_flavor_id", "create_timeout", "discovery_url"),
    *("fixed_network", "fixed_subnet", "status_reason", "health_status", "api_address", "coe_version"),
    *("container_version", "stack_id"),
)
_NODEGROUP_SAME = (
    "flavor_id",
    "image_id",
    "docker_volume_size",
    "max_node_count",
    "status_reason",
    "stack_id",
    "version",
)
IMPORTED_NODE = "created by Magnum; it runs no agent"


def template_values(template: SourceRow) -> Values:
    """Values of a row of `cluster_templates`."""
    return {
        **_identity(template),
        **{name: template[name] for name in _TEMPLATE_TEXT},
        **{name: bool(template[name]) for name in _TEMPLATE_FLAGS},
        "floating_ip_enabled": template["floating_ip_enabled"] is None or bool(template["floating_ip_enabled"]),
        "labels": _labels(template),
        "server_type": template["server_type"] or "vm",
        "driver": template["driver"] if template["driver"] in driver_names() else None,
    }


def cluster_values(cluster: SourceRow, template: SourceRow) -> Values:
    """Values of a row of `clusters`. Columns that old releases have only in the template are read from there."""
    identity = _identity(cluster)

    def either(column: str) -> Any:
        return template[column] if cluster[column] is None else cluster[column]

    floating, balanced = either("floating_ip_enabled"), either("master_lb_enabled")
    values = {
        **identity,
        **{name: cluster[name] for name in _CLUSTER_SAME},
        "cluster_template_id": template.uuid,
        "driver": IMPORTED,
        "engine": IMPORTED,
        "coe": template["coe"],
        "labels": _labels(cluster),
        "floating_ip_enabled": floating is None or bool(floating),
        "master_lb_enabled": bool(balanced),
        "status": status_here(cluster["status"]),
        "health_status_reason": cluster["health_status_reason"] or {},
    }
    return {**values, "spec": stored(_spec(values, template), {})}


def _spec(values: Values, template: SourceRow) -> ClusterSpec:
    servers = (template["dns_nameserver"] or "").split(",")
    return ClusterSpec(
        uuid=values["uuid"],
        name=values["name"],
        project_id=values["project_id"],
        coe=values["coe"],
        os_distro=template["cluster_distro"] or "",
        server_type=template["server_type"] or "vm",
        labels={},
        external_network_id=template["external_network_id"],
        fixed_network_id=values["fixed_network"],
        fixed_subnet_id=values["fixed_subnet"],
        dns_nameservers=[server.strip() for server in servers if server.strip()],
        network_driver=template["network_driver"],
        volume_driver=template["volume_driver"],
        apiserver_port=template["apiserver_port"],
        floating_ip_enabled=values["floating_ip_enabled"],
        master_lb_enabled=values["master_lb_enabled"],
        http_proxy=template["http_proxy"],
        https_proxy=template["https_proxy"],
        no_proxy=template["no_proxy"],
        insecure_registry=template["insecure_registry"],
    )


def nodegroup_values(group: SourceRow, cluster: Values) -> Values:
    """Values of a row of `nodegroups`."""
    return {
        **{name: group[name] for name in _NODEGROUP_SAME},
        "uuid": group.uuid,
        "name": group["name"],
        "cluster_id": cluster["uuid"],
        "project_id": cluster["project_id"],
        "role": group["role"] or "worker",
        "is_default": bool(group["is_default"]),
        "labels": _labels(group),
        "node_count": group["node_count"] or 0,
        "min_node_count": group["min_node_count"] or 0,
        "next_index": group["node_count"] or 0,
        "node_labels": group["node_labels"] or {},
        "node_taints": group["node_taints"] or [],
        "status": status_here(group["status"] or cluster["status"]),
        **_times(group),
    }


def node_values(group: Values, cluster: Values, addresses: Sequence[str]) -> list[Values]:
    """Values of rows of `nodes`: one for each node of the nodegroup, with the addresses that Magnum stored."""
    return [
        {
            "uuid": new_id(),
            "cluster_id": cluster["uuid"],
            "nodegroup_id": group["uuid"],
            "name": node_name(cluster["name"], cluster["uuid"], group["name"], group["uuid"], index),
            "role": group["role"],
            "index": index,
            "shard": 0,
            "state": NodeState.JOINED,
            "reason": IMPORTED_NODE,
            "ip_address": addresses[index] if index < len(addresses) else None,
        }
        for index in range(group["node_count"])
    ]


def quota_values(quota: SourceRow) -> Values:
    """Values of a row of `quotas`."""
    return {name: quota[name] for name in ("project_id", "resource", "hard_limit")} | _times(quota)


def federation_values(federation: SourceRow, known: frozenset[str]) -> Values:
    """Values of a row of `federations`; `known` are the clusters that exist in Jeroboam."""
    host = federation["hostcluster_id"]
    status = federation["status"] or ""
    return {
        "uuid": federation.uuid,
        "name": federation["name"] or federation.uuid,
        "project_id": federation["project_id"],
        "hostcluster_id": host if host in known else None,
        # Magnum accepts federations but does not implement them, so its rows stay in progress forever.
        "status": "CREATE_COMPLETE" if status.endswith("_IN_PROGRESS") else status_here(status),
        "status_reason": federation["status_reason"],
        "properties": federation["properties"] or {},
        **_times(federation),
    }


def _identity(row: SourceRow) -> Values:
    return {
        "uuid": row.uuid,
        "name": row["name"] or row.uuid,
        "project_id": row["project_id"],
        "user_id": row["user_id"] or "",
        **_times(row),
    }


def _times(row: SourceRow) -> Values:
    times = {name: row.time(name) for name in ("created_at", "updated_at")}
    return {name: value for name, value in times.items() if value is not None or name == "updated_at"}


def _labels(row: SourceRow) -> dict[str, str]:
    return {str(key): str(value) for key, value in (row["labels"] or {}).items()}
