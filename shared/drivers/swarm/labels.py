"""The labels of Swarm clusters: types, defaults and checks.

Rule: labels with the same effect for all engines are in `jeroboam.driver.labels`; the others are here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ValidationError

from jeroboam.driver import (
    ClusterSpec,
    NodegroupSpec,
    node_network,
    shared_address_problems,
)
from jeroboam.driver.label_specs import described
from jeroboam.driver.label_types import Cidr, Number, Ports
from shared.drivers.hosts.labels import VolumePluginLabels
from shared.drivers.keys import KeyLabels
from shared.drivers.monitoring.labels import DockerMonitoringLabels

DEFAULT_API_PORT = 2376
# Raft between managers, gossip between all nodes, the data path of overlay networks.
ENGINE_PORTS = {2377: "managers", 7946: "gossip between nodes", 4789: "overlay networks"}


def _version(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,2}\.[0-9]{1,3}\.[0-9]{1,3}", value):
        raise ValueError("must be a version of Docker Engine such as 29.1.3")
    if version_numbers(value) < (20, 10, 0):
        raise ValueError("must be at least 20.10.0")
    return value


def version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


Version = Annotated[str, AfterValidator(_version)]


class Labels(KeyLabels, DockerMonitoringLabels, VolumePluginLabels):
    """The labels of a cluster; docs/swarm-driver.md documents them."""

    of_machines: ClassVar[frozenset[str]] = VolumePluginLabels.of_machines | {"docker_version"}

    docker_version: Version | None = described(
        None,
        "version of Docker Engine, 20.10.0 or newer, which the image has or `docker.io=<version>*` installs",
        shown="that of the image",
    )
    swarm_address_pool: Cidr = described(
        "10.100.0.0/14", "addresses of overlay networks; must not overlap the node network"
    )
    swarm_subnet_size: Number = described(24, "prefix length of one overlay network", ge=16, le=29)
    manager_availability: Literal["active", "pause", "drain"] = described(
        "active", "`pause` and `drain` keep tasks away from managers"
    )
    container_network_mtu: Number | None = described(
        None,
        "MTU of bridge networks and, from Docker 24 on, of new overlay networks",
        shown="Docker's",
        ge=576,
        le=9000,
    )
    published_ports: Ports = described(
        "30000-32767", "ports that everybody may reach on nodes, such as `80 443 30000-32767`"
    )
    task_history_limit: Number = described(5, "finished tasks that Swarm remembers, per slot", ge=0, le=100)


def read_labels(cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> Labels:
    """The labels of a cluster, or of one of its nodegroups. Raises pydantic.ValidationError."""
    return Labels.read(cluster, nodegroup)


def api_port(cluster: ClusterSpec) -> int:
    """The port of the managers' API."""
    return cluster.apiserver_port or DEFAULT_API_PORT


def problems(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
    """All problems with labels and networks, as sentences for the user."""
    found = Labels.problems(cluster)
    for group in nodegroups:
        wrong = Labels.problems(cluster, group)
        found += wrong
        if not wrong and not Labels.problems(cluster):
            found += Labels.contradictions(cluster, group)
    try:
        labels = read_labels(cluster)
    except ValidationError:
        return list(dict.fromkeys(found))
    if (port := api_port(cluster)) in ENGINE_PORTS:
        found.append(f"apiserver_port: {port} is used by Docker for {ENGINE_PORTS[port]}; use another, such as 2376")
    pool = ipaddress.IPv4Network(labels.swarm_address_pool)
    nodes = ipaddress.IPv4Network(node_network(cluster, labels))
    if pool.overlaps(nodes):
        found.append(f"label swarm_address_pool: {pool} overlaps the node network {nodes}")
    if pool.prefixlen > labels.swarm_subnet_size:
        found.append(f"label swarm_address_pool: {pool} has no network of size /{labels.swarm_subnet_size}")
    found += shared_address_problems(cluster, nodegroups)
    found += labels.monitoring_problems
    return list(dict.fromkeys(found))
