"""The labels of Kubernetes clusters: types, defaults and checks.

Rule: labels with the same effect for all engines are in `jeroboam.driver.labels`; the others are here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from jeroboam.driver import ClusterSpec, NodegroupSpec
from jeroboam.driver.label_specs import described
from jeroboam.driver.label_types import Address, Cidr, Domain, Name, Number, Prefix, Tag, Url, cidr
from jeroboam.driver.labels import MACHINE_LABELS
from shared.drivers.hosts.labels import HOST_LABELS
from shared.drivers.keys import KeyLabels
from shared.drivers.kubernetes.label_types import (
    ClassName,
    KubeletOptions,
    Options,
    RuntimeVersion,
    ServiceRange,
    Version,
    parse_options,
)
from shared.drivers.kubernetes.storage_labels import StorageLabels

DEFAULT_VERSION = "v1.34.2"
DEFAULT_API_PORT = 6443
# The kubelet takes its cgroup driver from the runtime, which containerd 1.x does not tell. Until 1.37 it warns and uses
# its own configuration, then it does not start (KEP-4033); containerd 1.7 is not maintained any more since before 1.37.
CONTAINERD_2_MINOR = 37
CONTAINERD_2 = "2.0"
KUBELET_SKEW = 3  # minor versions a kubelet may be behind the API servers: Kubernetes' version skew policy
# Magnum's label for the pod network of each CNI.
POD_NETWORK_LABELS = ("calico_ipv4pool", "flannel_network_cidr")
ETCD_LABELS = ("etcd_volume_size", "etcd_volume_type")
# Where new machines get programs from.
MIRRORS = ("kubernetes_apt_mirror", "kubernetes_binary_mirror", "cni_plugins_mirror", "cni_plugins_version")


class Labels(KeyLabels, StorageLabels):
    """The labels of a cluster; docs/kubernetes-driver.md documents them. Sizes in GiB."""

    of_machines: ClassVar[frozenset[str]] = MACHINE_LABELS | {
        *("kube_tag", "kubelet_options", "container_infra_prefix", "containerd_version"),
        *MIRRORS,
        *HOST_LABELS,
        *ETCD_LABELS,
    }
    docker: ClassVar[bool] = False

    kube_tag: Version = described(DEFAULT_VERSION, "Kubernetes version, v1.31.0 or newer")
    kubernetes_apt_mirror: Url | None = described(None, "URL of your package mirror")
    kubernetes_binary_mirror: Url | None = described(
        None, "URL of the binaries of Kubernetes' releases, for systems without packages"
    )
    cni_plugins_mirror: Url | None = described(
        None, "URL of the releases of the CNI plug-ins, for systems without packages"
    )
    cni_plugins_version: Tag = described("v1.8.0", "version of the CNI plug-ins, for systems without packages")
    containerd_version: RuntimeVersion | None = described(
        None, "the lowest version of containerd on the nodes", shown="any; `2.0` from v1.37 on"
    )
    network_driver: Literal["flannel", "calico", "cilium"] = described(
        "flannel", "CNI plug-in; the template's `network_driver` takes its place if there is no label"
    )
    cni_manifest_url: Url | None = described(None, "manifest of calico or cilium")
    post_install_manifest_url: Url | None = described(None, "applied after everything else")
    flannel_backend: Literal["vxlan", "host-gw"] = described("vxlan", "flannel's backend")
    flannel_tag: Tag = described("v0.26.1", "tag of flannel's image")
    flannel_cni_tag: Tag = described("v1.5.1-flannel2", "tag of the image of flannel's CNI plug-in")
    flannel_network_subnetlen: Number = described(
        24, "prefix length of each node's part of the pod network", ge=20, le=28
    )
    pods_network_cidr: Cidr = described(
        "10.100.0.0/14", "pod network; any of the three names", names=POD_NETWORK_LABELS
    )
    service_cluster_ip_range: ServiceRange = described("10.254.0.0/16", "network of services, /12 to /28")
    dns_service_ip: Address | None = described(
        None, "any other address is rejected", shown="tenth address of `service_cluster_ip_range`"
    )
    dns_cluster_domain: Domain = described("cluster.local", "DNS domain of the cluster")
    container_infra_prefix: Prefix = described("", "registry prefix of all images")
    cloud_provider_enabled: bool = described(
        True, "OpenStack cloud controller, with the cluster's own application credential"
    )
    cloud_provider_tag: Tag | None = described(
        None, "tag of the cloud controller's image", shown="`<minor>.0` of `kube_tag`"
    )
    cinder_csi_enabled: bool = described(
        True, "volumes; default storage class `cinder`; requires the cloud controller's credential"
    )
    cinder_csi_plugin_tag: Tag | None = described(None, "tag of Cinder CSI's image", shown="`<minor>.0` of `kube_tag`")
    csi_attacher_tag: Tag = described("v4.7.0", "tag of a sidecar image of Cinder CSI")
    csi_provisioner_tag: Tag = described("v5.1.0", "tag of a sidecar image of Cinder CSI")
    csi_resizer_tag: Tag = described("v1.12.0", "tag of a sidecar image of Cinder CSI")
    csi_node_driver_registrar_tag: Tag = described("v2.12.0", "tag of a sidecar image of Cinder CSI")
    csi_liveness_probe_tag: Tag = described("v2.14.0", "tag of a sidecar image of Cinder CSI")
    etcd_volume_size: Number = described(0, "volume of each master for etcd, GiB", shown="0 (none)", ge=0, le=16384)
    etcd_volume_type: Name | None = described(None, "type of the volume for etcd", shown="the cloud's")
    monitoring_storage_class_name: ClassName | None = described(
        None, "storage class of a volume for metrics", shown="none: metrics are lost with Prometheus' pod"
    )
    kube_proxy_mode: Literal["iptables", "nftables", "ipvs"] = described("iptables", "mode of kube-proxy")
    kubelet_options: KubeletOptions = described(
        "", "`--name=value ...` or `--name value ...`, appended to the options of the kubelet"
    )
    kubeapi_options: Options = described("", "options of the API server, in the same form")
    kubecontroller_options: Options = described("", "options of the controller manager, in the same form")
    kubescheduler_options: Options = described("", "options of the scheduler, in the same form")

    @property
    def minor(self) -> str:
        """The version without its patch level, e.g. `v1.34`, which selects add-ons and package directories."""
        return self.kube_tag.rpartition(".")[0]

    @property
    def minor_number(self) -> int:
        return version_numbers(self.kube_tag)[1]

    @property
    def needs_containerd_2(self) -> bool:
        return self.minor_number >= CONTAINERD_2_MINOR

    @property
    def lowest_containerd(self) -> str | None:
        """The lowest version of containerd that nodes may have; None for any."""
        return self.containerd_version or (CONTAINERD_2 if self.needs_containerd_2 else None)

    @property
    def health_path(self) -> str | None:
        """Where the API servers say whether they are ready; None if options may keep unauthenticated clients from it.

        Kubernetes grants it to them by the role `system:public-info-viewer`, so it needs RBAC as well.
        """
        options = dict(parse_options(self.kubeapi_options))
        rbac = "RBAC" in options.get("authorization-mode", "RBAC").split(",")
        anonymous = options.get("anonymous-auth", "true").lower() in ("true", "1", "t")
        configured = {"authentication-config", "authorization-config"} & options.keys()
        return "/readyz" if rbac and anonymous and not configured else None

    @property
    def dns_address(self) -> str:
        """The address of the cluster's DNS service: kubeadm always uses the tenth of the service range."""
        return str(ipaddress.IPv4Network(self.service_cluster_ip_range)[10])

    @classmethod
    def given(cls, cluster: ClusterSpec, labels: Mapping[str, str]) -> dict[str, Any]:
        """Also accept Magnum's labels for the pod network, which are named after the CNI plug-in."""
        named = next((labels[name] for name in POD_NETWORK_LABELS if name in labels), None)
        network = {} if named is None else {"pods_network_cidr": named}
        driver = {} if cluster.network_driver is None else {"network_driver": cluster.network_driver}
        return {**driver, **network, **labels}


def read_labels(cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> Labels:
    """The labels of a cluster, or of one of its nodegroups. Raises pydantic.ValidationError."""
    return Labels.read(cluster, nodegroup)


def api_port(cluster: ClusterSpec) -> int:
    """The port of the API servers."""
    return cluster.apiserver_port or DEFAULT_API_PORT


def label_problems(cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> list[str]:
    """Problems with the labels, as sentences that name the label."""
    if wrong := Labels.problems(cluster, nodegroup):
        return wrong
    labels = read_labels(cluster, nodegroup)
    problems = []
    if labels.network_driver != "flannel" and not (labels.cni_manifest_url or cluster.cni_manifest_url):
        problems.append(
            f"label cni_manifest_url: network driver {labels.network_driver} is not built in; "
            "specify the URL of its manifest, or use network driver flannel"
        )
    given = labels.containerd_version
    if given and labels.needs_containerd_2 and version_numbers(given) < version_numbers(CONTAINERD_2)[:1]:
        problems.append(
            f"label containerd_version: {given} is too old; Kubernetes {labels.kube_tag} needs containerd "
            f"{CONTAINERD_2} or newer, because its kubelet asks the runtime for the cgroup driver"
        )
    if labels.dns_service_ip not in (None, labels.dns_address):
        problems.append(
            f"label dns_service_ip: must be {labels.dns_address}, the tenth address of service_cluster_ip_range"
        )
    return problems if nodegroup is None else [*problems, *_contradictions(cluster, nodegroup, labels)]


def _contradictions(cluster: ClusterSpec, nodegroup: NodegroupSpec, own: Labels) -> list[str]:
    if Labels.problems(cluster):
        return []
    whole = read_labels(cluster)
    found = Labels.contradictions(cluster, nodegroup)
    # Each name of the pod network counts, also one that another name goes before.
    named = {name: str(nodegroup.labels[name]).strip() for name in POD_NETWORK_LABELS if name in nodegroup.labels}
    found += [
        f"label {name}: {value} differs from the cluster's pod network {whole.pods_network_cidr}; leave it out"
        for name, value in named.items()
        if value and own.pods_network_cidr == whole.pods_network_cidr != _network(value)
    ]
    ahead = version_numbers(own.kube_tag) > version_numbers(whole.kube_tag)
    if ahead or own.minor_number + KUBELET_SKEW < whole.minor_number:
        found.append(
            f"label kube_tag: nodes of {own.kube_tag} cannot join API servers of {whole.kube_tag}; they may be at most "
            f"{KUBELET_SKEW} minor versions older, and not newer"
        )
    return found


def _network(text: str) -> str | None:
    try:
        return cidr(text)
    except ValueError:
        return None


def version_numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version such as `v1.34.2`."""
    return tuple(int(part) for part in version.removeprefix("v").split("."))
