"""Labels of a Kubernetes cluster: Magnum's names, our defaults, checked in one place.

Rule: labels are text. A label we know is parsed and checked; one we do not know is kept and shown, and changes
nothing, as users of Magnum expect. Every problem names its label.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.drivers.base import ClusterSpec, NodegroupSpec

VERSION_PATTERN = r"^v1\.(3[1-9]|[4-9][0-9])\.[0-9]+$"
DEFAULT_VERSION = "v1.34.2"
NETWORK_DRIVERS = ("flannel", "calico", "cilium")


def _cidr(value: str) -> str:
    return str(ipaddress.IPv4Network(value))


def _prefix(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9.:_/-]+", value):
        raise ValueError("must be a registry prefix such as registry.example.org/mirror/")
    return value if not value or value.endswith("/") else f"{value}/"


Cidr = Annotated[str, AfterValidator(_cidr)]


class Labels(BaseModel):
    """What a cluster's labels say. Sizes in GiB."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    kube_tag: str = Field(default=DEFAULT_VERSION, pattern=VERSION_PATTERN)
    network_driver: Literal["flannel", "calico", "cilium"] = "flannel"
    fixed_subnet_cidr: Cidr = "10.0.0.0/20"
    pods_network_cidr: Cidr = "10.100.0.0/14"
    service_cluster_ip_range: Cidr = "10.254.0.0/16"
    dns_cluster_domain: str = Field(default="cluster.local", pattern=r"^[a-z0-9.-]+$")
    container_infra_prefix: Annotated[str, AfterValidator(_prefix)] = ""
    cloud_provider_enabled: bool = True
    cinder_csi_enabled: bool = True
    octavia_provider: str | None = None
    octavia_lb_algorithm: Literal["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"] = "ROUND_ROBIN"
    octavia_lb_healthcheck: bool = True
    master_lb_floating_ip_enabled: bool | None = None
    master_lb_allowed_cidrs: str = "0.0.0.0/0"
    availability_zones: str = Field(default="", alias="availability_zone")
    nodes_affinity_policy: Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"] = (
        "soft-anti-affinity"
    )
    boot_volume_size: int = Field(default=0, ge=0)
    boot_volume_type: str | None = None
    docker_volume_type: str | None = None
    api_floating_ip: bool = True  # not a label: resolved from master_lb_floating_ip_enabled

    @property
    def api_allowed_cidrs(self) -> list[str]:
        return [cidr.strip() for cidr in self.master_lb_allowed_cidrs.split(",") if cidr.strip()]

    def availability_zone(self, index: int) -> str | None:
        """Round-robin over a comma-separated list: node `index` of a nodegroup."""
        zones = [zone.strip() for zone in self.availability_zones.split(",") if zone.strip()]
        return zones[index % len(zones)] if zones else None

    def boot_volume(self, nodegroup: NodegroupSpec) -> dict[str, Any] | None:
        """Nova's block device mapping for a node that boots from a volume, or None."""
        if not self.boot_volume_size:
            return None
        mapping: dict[str, Any] = {
            "boot_index": 0,
            "image": nodegroup.image_id,
            "volume_size": self.boot_volume_size,
            "delete_on_termination": True,
        }
        return mapping | ({"volume_type": self.boot_volume_type} if self.boot_volume_type else {})


def read_labels(cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> Labels:
    """The labels of a cluster, or of one of its nodegroups.

    Raises:
        pydantic.ValidationError: a label is wrong (`label_problems` puts that into words).
    """
    labels = dict(cluster.labels) | dict(nodegroup.labels if nodegroup else {})
    values: dict[str, Any] = {"network_driver": cluster.network_driver} | _pod_network(labels) | labels
    parsed = Labels.model_validate(values)
    wanted = parsed.master_lb_floating_ip_enabled
    return parsed.model_copy(update={"api_floating_ip": cluster.floating_ip_enabled if wanted is None else wanted})


def _pod_network(labels: Mapping[str, str]) -> dict[str, str]:
    """Magnum names the pod network after the CNI; either name is taken."""
    for name in ("calico_ipv4pool", "flannel_network_cidr"):
        if name in labels:
            return {"pods_network_cidr": labels[name]}
    return {}


def label_problems(cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> list[str]:
    """What is wrong with the labels, one line each, naming the label."""
    try:
        labels = read_labels(cluster, nodegroup)
    except ValidationError as error:
        return [f"label {'.'.join(map(str, line['loc']))}: {line['msg']}" for line in error.errors()]
    problems = []
    for cidr in labels.api_allowed_cidrs:
        try:
            ipaddress.ip_network(cidr)
        except ValueError as error:
            problems.append(f"label master_lb_allowed_cidrs: {error}")
    return problems
