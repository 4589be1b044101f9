"""kubeadm's configuration of one node, as `kubeadm.k8s.io/v1beta4` documents.

Rule: documents are dicts rendered by a YAML library, without templates or manual quoting. Masters get the cluster's
keys as files, so certificates are never uploaded to the cluster. A node joins with a certificate of its own, which
Jeroboam's API signs, so there is no bootstrap token that opens the cluster. Source: kubeadm's configuration reference.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import yaml

from jeroboam.driver import BootstrapContext, KeyAlgorithm
from shared.drivers.kubernetes.label_types import parse_options
from shared.drivers.kubernetes.labels import Labels, api_port

API = "kubeadm.k8s.io/v1beta4"
CRI_SOCKET = "unix:///run/containerd/containerd.sock"
CONTROL_PLANE_TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
DISCOVERY = "/etc/jeroboam/join.conf"
JOIN_CERTIFICATE = "/etc/jeroboam/join.crt"
JOIN_KEY = "/etc/jeroboam/join.key"
_PKI = "/etc/kubernetes/pki"
# Their default is below /usr, which cannot be written on systems without packages.
_VOLUME_PLUGINS = "/opt/libexec/kubernetes/kubelet-plugins/volume/exec"
# kubeadm's names; the keys that kubeadm makes get the algorithm of the authorities.
_ALGORITHMS = {KeyAlgorithm.ECDSA_P256: "ECDSA-P256", KeyAlgorithm.RSA_2048: "RSA-2048"}
Document = dict[str, Any]


def render_init(context: BootstrapContext, labels: Labels, *, external_cloud: bool) -> str:
    """The configuration of the master that initializes the cluster."""
    return _dump(
        _init(context, labels, external_cloud=external_cloud),
        _cluster(context, labels),
        _kubelet(labels),
        _kube_proxy(labels),
    )


def render_join(context: BootstrapContext, labels: Labels, *, external_cloud: bool) -> str:
    """The configuration of a node that joins, as a master or as a worker."""
    document: Document = {
        "apiVersion": API,
        "kind": "JoinConfiguration",
        "nodeRegistration": _registration(context, labels, external_cloud=external_cloud),
        "discovery": {"file": {"kubeConfigPath": DISCOVERY}},
    }
    if context.node.is_master:
        document["controlPlane"] = {"localAPIEndpoint": _local_endpoint(context)}
    return _dump(document)


def render_discovery(context: BootstrapContext) -> str:
    """The kubeconfig with which a node joins: where the API is, which authorities vouch for it, the node's certificate.

    The script has the API sign the certificate and deletes it when the node has joined; kubelets then renew their own.
    """
    authorities = context.secrets["kubernetes"].certificate
    assert authorities is not None
    data = base64.b64encode(authorities.encode()).decode()
    return _dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "kubernetes",
                    "cluster": {"server": f"https://{endpoint(context)}", "certificate-authority-data": data},
                }
            ],
            "users": [
                {"name": "node", "user": {"client-certificate": JOIN_CERTIFICATE, "client-key": JOIN_KEY}},
            ],
            "contexts": [{"name": "join", "context": {"cluster": "kubernetes", "user": "node"}}],
            "current-context": "join",
        }
    )


def endpoint(context: BootstrapContext) -> str:
    """The address at which nodes reach the API: the internal one, which needs no floating IP."""
    return f"{context.base_outputs['api_private_address']}:{api_port(context.cluster)}"


def _dump(*documents: Document) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)


def _init(context: BootstrapContext, labels: Labels, *, external_cloud: bool) -> Document:
    return {
        "apiVersion": API,
        "kind": "InitConfiguration",
        # kubeadm always makes one. Without a value it is random; it is not printed, and nothing uses it.
        "bootstrapTokens": [{"description": "not used", "ttl": "1m0s"}],
        "nodeRegistration": _registration(context, labels, external_cloud=external_cloud),
        "localAPIEndpoint": _local_endpoint(context),
    }


def _cluster(context: BootstrapContext, labels: Labels) -> Document:
    outputs = context.base_outputs
    addresses = [outputs.get("api_address"), outputs["api_private_address"]]
    addresses += [
        address for node in context.nodes if node.is_master for address in (node.ip_address, node.floating_ip)
    ]
    names = ["127.0.0.1", "localhost", *(str(address) for address in addresses if address)]
    document: Document = {
        "apiVersion": API,
        "kind": "ClusterConfiguration",
        "clusterName": label_value(context.cluster.name) or context.cluster.uuid,
        "kubernetesVersion": labels.kube_tag,
        "controlPlaneEndpoint": endpoint(context),
        "certificatesDir": _PKI,
        "encryptionAlgorithm": _ALGORITHMS[labels.key_algorithm],
        "networking": {
            "podSubnet": labels.pods_network_cidr,
            "serviceSubnet": labels.service_cluster_ip_range,
            "dnsDomain": labels.dns_cluster_domain,
        },
        "apiServer": {
            "certSANs": list(dict.fromkeys(names)),
            "extraArgs": _arguments(labels.kubeapi_options),
        },
        "controllerManager": {
            "extraArgs": [
                {"name": "node-cidr-mask-size", "value": str(labels.flannel_network_subnetlen)},
                # The controller manager rejects files with several certificates, as ca.crt is during a rotation.
                {"name": "cluster-signing-cert-file", "value": f"{_PKI}/ca-signing.crt"},
                *_volume_plugins(context, "flex-volume-plugin-dir"),
                *_arguments(labels.kubecontroller_options),
            ]
        },
        "scheduler": {"extraArgs": _arguments(labels.kubescheduler_options)},
    }
    if labels.container_infra_prefix:
        document["imageRepository"] = labels.container_infra_prefix.rstrip("/")
    return document


def _kubelet(labels: Labels) -> Document:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "clusterDNS": [labels.dns_address],
        "clusterDomain": labels.dns_cluster_domain,
        "rotateCertificates": True,
    }


def _kube_proxy(labels: Labels) -> Document:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": labels.kube_proxy_mode,
        "clusterCIDR": labels.pods_network_cidr,
    }


def _local_endpoint(context: BootstrapContext) -> Document:
    local: Document = {"bindPort": api_port(context.cluster)}
    if context.node.ip_address:
        local["advertiseAddress"] = context.node.ip_address
    return local


def _registration(context: BootstrapContext, labels: Labels, *, external_cloud: bool) -> Document:
    arguments = [{"name": "node-labels", "value": _node_labels(context)}]
    if external_cloud:
        arguments.append({"name": "cloud-provider", "value": "external"})
    if context.node.ip_address:
        arguments.append({"name": "node-ip", "value": context.node.ip_address})
    arguments += _volume_plugins(context, "volume-plugin-dir")
    taints = [dict(taint) for taint in context.nodegroup.node_taints]
    if context.node.is_master:
        taints.insert(0, dict(CONTROL_PLANE_TAINT))
    return {
        # The cloud controller finds a node's server by its hostname.
        "name": context.node.name,
        "criSocket": CRI_SOCKET,
        "taints": taints,
        "kubeletExtraArgs": [*arguments, *_arguments(labels.kubelet_options)],
    }


def _volume_plugins(context: BootstrapContext, option: str) -> list[dict[str, str]]:
    return [{"name": option, "value": _VOLUME_PLUGINS}] if context.packages is None else []


def _node_labels(context: BootstrapContext) -> str:
    """Magnum's two labels, then those of the nodegroup."""
    group = context.nodegroup
    labels: Mapping[str, str] = {
        "magnum.openstack.org/role": label_value(group.role),
        "magnum.openstack.org/nodegroup": label_value(group.name),
        **group.node_labels,
    }
    return ",".join(f"{name}={value}" for name, value in labels.items())


def label_value(text: str) -> str:
    """Convert `text` to a valid value of a Kubernetes label."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:63].strip("-_.")


def _arguments(options: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in parse_options(options)]
