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
    texts,
)
from jeroboam.driver.label_specs import described
from jeroboam.driver.label_types import Cidr, Number, Ports, Prefix, Tag
from jeroboam.driver.labels import MACHINE_LABELS
from shared.drivers.keys import KeyLabels
from shared.drivers.monitoring.labels import MonitoringLabels

DEFAULT_API_PORT = 2376
# Raft between managers, gossip between all nodes, the data path of overlay networks.
ENGINE_PORTS = {2377: "managers", 7946: "gossip between nodes", 4789: "overlay networks"}

# An image in a registry: host, port and path in lower case, a tag or a digest.
_IMAGE = re.compile(
    r"([a-z0-9]+([._-][a-z0-9]+)*(:[0-9]{1,5})?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(@sha256:[0-9a-f]{64})?"
)
_ALIAS = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")


def _version(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,2}\.[0-9]{1,3}\.[0-9]{1,3}", value):
        raise ValueError("must be a version of Docker Engine such as 29.1.3")
    if version_numbers(value) < (20, 10, 0):
        raise ValueError("must be at least 20.10.0")
    return value


def _plugins(value: str) -> str:
    parse_plugins(value)
    return value


def _mirrors(value: str) -> str:
    for word in value.split():
        texts.url(word)
    return value


def parse_plugins(text: str) -> list[tuple[str, str]]:
    """Parse volume plug-ins such as `cvmfs=registry.example.org/cvmfs:1.0` into (alias, image). Raises ValueError."""
    found = []
    for word in text.split():
        alias, separator, image = word.partition("=")
        if not separator or not _ALIAS.fullmatch(alias) or not _IMAGE.fullmatch(image) or len(image) > 255:
            raise ValueError(
                "must be volume plug-ins as alias=image, separated by blanks, "
                "such as cvmfs=registry.example.org/cvmfs:1.0"
            )
        found.append((alias, image))
    if len(found) > 10 or len({alias for alias, _ in found}) < len(found):
        raise ValueError("must be at most 10 volume plug-ins, each alias once")
    return found


def version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


Version = Annotated[str, AfterValidator(_version)]
Plugins = Annotated[str, AfterValidator(_plugins)]
Mirrors = Annotated[str, AfterValidator(_mirrors)]


class Labels(KeyLabels, MonitoringLabels):
    """The labels of a cluster; docs/swarm-driver.md documents them."""

    of_machines: ClassVar[frozenset[str]] = MACHINE_LABELS | {"docker_version"}

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
    docker_volume_plugins: Plugins = described(
        "", "volume plug-ins as `alias=image`, separated by blanks; needed for a template's `volume_driver`"
    )
    registry_mirrors: Mirrors = described("", "URLs of mirrors, separated by blanks")
    container_infra_prefix: Prefix = described(
        "", "registry prefix of the images of `monitoring_enabled`, which needs it: they are not all in one registry"
    )
    cadvisor_tag: Tag = described("v0.52.1", "tag of cAdvisor's image")
    grafana_port: Number = described(
        3000, "port of Grafana on every node; `published_ports` opens it", ge=1024, le=65535
    )
    task_history_limit: Number = described(5, "finished tasks that Swarm remembers, per slot", ge=0, le=100)

    @property
    def plugins(self) -> list[tuple[str, str]]:
        return parse_plugins(self.docker_volume_plugins)


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
    if labels.monitoring_enabled and not labels.container_infra_prefix:
        found.append(
            "label container_infra_prefix: monitoring_enabled needs a registry with the images prometheus, grafana, "
            "node-exporter and cadvisor"
        )
    if cluster.volume_driver and cluster.volume_driver not in dict(labels.plugins):
        found.append(
            f"volume_driver: {cluster.volume_driver} needs an image: add it to the label docker_volume_plugins as "
            f"{cluster.volume_driver}=<image>"
        )
    return list(dict.fromkeys(found))
