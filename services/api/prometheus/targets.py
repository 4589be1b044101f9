"""The targets of a project in the format of Prometheus' HTTP service discovery.

Rule: the answer is always the complete list, as Prometheus expects. Every node that has an address is in it, whatever
its state, so that a node that fails is noticed; `__meta_jeroboam_state` lets a configuration leave out others.
Source: Prometheus' documentation of `http_sd_configs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any

from services.api.reader import Reader, Row
from services.api.wire.errors import bad_request, invalid_field

DEFAULT_PORT = 9100  # of the node exporter
MOST_PORTS = 16
PREFIX = "__meta_jeroboam_"
_QUERY = """
SELECT n.name AS node_name, n.uuid AS node_uuid, n.version AS node_version, n.role, n.state, n.ip_address,
    n.floating_ip, g.name AS nodegroup, c.name AS cluster_name, c.uuid AS cluster_uuid, c.coe,
    c.status AS cluster_status, c.project_id
FROM nodes n JOIN nodegroups g ON g.uuid = n.nodegroup_id JOIN clusters c ON c.uuid = n.cluster_id
WHERE c.project_id = $1 AND n.ip_address IS NOT NULL
ORDER BY c.id, g.id, n.index
"""
_LABELS = (
    *("cluster_name", "cluster_uuid", "cluster_status", "coe", "project_id", "nodegroup", "role", "node_name"),
    *("node_uuid", "node_version", "state", "floating_ip"),
)
LABELS = tuple(PREFIX + name for name in _LABELS)


def read_ports(arguments: Sequence[tuple[str, str]]) -> list[int]:
    """The ports to scrape, from the query's `port`, which may be repeated; default: the node exporter's.

    Raises:
        ApiError: 400 for anything but ports, for more than 16, and for other arguments.
    """
    if unknown := {name for name, _ in arguments if name != "port"}:
        raise bad_request(f'Unknown argument: "{", ".join(sorted(unknown))[:200]}"')
    ports = []
    for _, value in arguments:
        if not (value.isascii() and value.isdigit() and len(value) <= 5 and 1 <= int(value) <= 65535):
            raise invalid_field("port", value, "Value should be a port, from 1 to 65535")
        ports.append(int(value))
    if len(ports) > MOST_PORTS:
        raise bad_request(f"port can be given at most {MOST_PORTS} times")
    return list(dict.fromkeys(ports)) or [DEFAULT_PORT]


async def target_groups(reader: Reader, project: str, ports: Sequence[int]) -> list[dict[str, Any]]:
    """One group for each node of the project's clusters, with one target for each port."""
    return [_group(row, ports) for row in await reader.rows(_QUERY, project)]


def _group(row: Row, ports: Sequence[int]) -> dict[str, Any]:
    host = row["ip_address"]
    if isinstance(ip_address(host), IPv6Address):
        host = f"[{host}]"
    labels = {PREFIX + name: row[name] for name in _LABELS if row[name] is not None}
    return {"targets": [f"{host}:{port}" for port in ports], "labels": labels}
