"""Labels of a Kubernetes cluster: Magnum's names, our defaults, checked in one place.

Rule: labels are text. A label we know is parsed and checked; one we do not know is kept and shown, and changes
nothing, as users of Magnum expect. Every problem names its label.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.drivers.base import ClusterSpec, NodegroupSpec
from shared.drivers.kubernetes.label_types import (
    Address,
    AffinityPolicy,
    Cidr,
    Cidrs,
    Options,
    Prefix,
    ServiceRange,
    Tag,
    Url,
    Version,
)

DEFAULT_VERSION = "v1.34.2"
# Magnum's names of the pod network, by the CNI they are used with.
POD_NETWORK_LABELS = ("calico_ipv4pool", "flannel_network_cidr")


class Labels(BaseModel):
    """What a cluster's labels say; docs/kubernetes-driver.md is their table. Sizes in GiB."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    kube_tag: Version = DEFAULT_VERSION
    kubernetes_apt_mirror: Url | None = None
    network_driver: Literal["flannel", "calico", "cilium"] = "flannel"
    cni_manifest_url: Url | None = None
    post_install_manifest_url: Url | None = None
    flannel_backend: Literal["vxlan", "host-gw"] = "vxlan"
    flannel_tag: Tag = "v0.26.1"
    flannel_cni_tag: Tag = "v1.5.1-flannel2"
    flannel_network_subnetlen: int = Field(default=24, ge=20, le=28)
    fixed_subnet_cidr: Cidr = "10.0.0.0/20"
    pods_network_cidr: Cidr = "10.100.0.0/14"
    service_cluster_ip_range: ServiceRange = "10.254.0.0/16"
    dns_service_ip: Address | None = None
    dns_cluster_domain: str = Field(default="cluster.local", pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    container_infra_prefix: Prefix = ""
    cloud_provider_enabled: bool = True
    cloud_provider_tag: Tag | None = None
    cinder_csi_enabled: bool = True
    cinder_csi_plugin_tag: Tag | None = None
    csi_attacher_tag: Tag = "v4.7.0"
    csi_provisioner_tag: Tag = "v5.1.0"
    csi_resizer_tag: Tag = "v1.12.0"
    csi_node_driver_registrar_tag: Tag = "v2.12.0"
    csi_liveness_probe_tag: Tag = "v2.14.0"
    kube_proxy_mode: Literal["iptables", "nftables", "ipvs"] = "iptables"
    kubelet_options: Options = ""
    kubeapi_options: Options = ""
    kubecontroller_options: Options = ""
    kubescheduler_options: Options = ""
    octavia_provider: str | None = None
    octavia_lb_algorithm: Literal["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"] = "ROUND_ROBIN"
    octavia_lb_healthcheck: bool = True
    master_lb_floating_ip_enabled: bool | None = None
    master_lb_allowed_cidrs: Cidrs = "0.0.0.0/0"
    availability_zones: str = Field(default="", alias="availability_zone")
    nodes_affinity_policy: AffinityPolicy = "soft-anti-affinity"
    boot_volume_size: int = Field(default=0, ge=0)
    boot_volume_type: str | None = None
    docker_volume_type: str | None = None
    api_floating_ip: bool = True  # not a label: resolved from master_lb_floating_ip_enabled

    @property
    def minor(self) -> str:
        """The version without its patch, e.g. `v1.34`: what add-ons and package directories go by."""
        return self.kube_tag.rpartition(".")[0]

    @property
    def dns_address(self) -> str:
        """The address of the cluster's DNS: kubeadm always takes the tenth of the service range."""
        return str(ipaddress.IPv4Network(self.service_cluster_ip_range)[10])

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
    # An empty label is one that was not set: Magnum's clients and templates send them.
    given = {**cluster.labels, **(nodegroup.labels if nodegroup else {})}
    stripped = {name: str(value).strip() for name, value in given.items() if name != "api_floating_ip"}
    labels = {name: value for name, value in stripped.items() if value}
    values: dict[str, Any] = {"network_driver": cluster.network_driver} | _pod_network(labels) | labels
    parsed = Labels.model_validate(values)
    wanted = parsed.master_lb_floating_ip_enabled
    return parsed.model_copy(update={"api_floating_ip": cluster.floating_ip_enabled if wanted is None else wanted})


def _pod_network(labels: Mapping[str, str]) -> dict[str, str]:
    """Magnum names the pod network after the CNI; either name is taken."""
    for name in POD_NETWORK_LABELS:
        if name in labels:
            return {"pods_network_cidr": labels[name]}
    return {}


def label_problems(cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> list[str]:
    """What is wrong with the labels, one line each, naming the label."""
    try:
        labels = read_labels(cluster, nodegroup)
    except ValidationError as error:
        said = (line["msg"].removeprefix("Value error, ") for line in error.errors())
        names = (".".join(map(str, line["loc"])) for line in error.errors())
        return [f"label {name}: {what}" for name, what in zip(names, said, strict=True)]
    problems = []
    if labels.network_driver != "flannel" and not (labels.cni_manifest_url or cluster.cni_manifest_url):
        problems.append(
            f"label cni_manifest_url: network driver {labels.network_driver} is installed from your own manifest; "
            "give its URL, or take network driver flannel, which is built in"
        )
    if labels.dns_service_ip not in (None, labels.dns_address):
        problems.append(
            f"label dns_service_ip: must be {labels.dns_address}, the tenth address of service_cluster_ip_range"
        )
    return problems
