"""Files of a node's operating system: kernel, containerd, proxies, the shared address, and the scripts' settings.

Rule: differences between nodes are data in files, never generated shell code; all nodes have the same scripts. Requests
check texts before they are stored; a row of an earlier version may contain others, so each is also encoded or left out
where a file is written.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jeroboam.driver import BootstrapContext, EndpointMode, keepalived_config
from jeroboam.driver.proxies import encoded, no_proxy, own_hosts, proxy_files
from jeroboam.driver.scripts import FUNCTIONS, MACHINE
from shared.drivers.hosts import authorities
from shared.drivers.hosts import scripts as host_scripts
from shared.drivers.kubernetes import kubeadm, registries
from shared.drivers.kubernetes.labels import Labels, api_port
from shared.drivers.kubernetes.pki import PASSWORDS

File = dict[str, str]
ETC = "/etc/jeroboam"

_MODULES = "overlay\nbr_netfilter\n"
_SYSCTL = """\
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
net.ipv4.ip_forward = 1
"""
# The node script inserts the pause image, because only kubeadm can tell which one its version uses.
_CONTAINERD = """\
version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "@SANDBOX_IMAGE@"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = true

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
"""
# Without packages of Kubernetes, which bring both along. The node script inserts where the kubelet is.
_KUBELET = """\
[Unit]
Description=Kubernetes node agent
Wants=network-online.target
After=network-online.target containerd.service
StartLimitIntervalSec=0

[Service]
ExecStart=@KUBELET@
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
_KUBELET_KUBEADM = """\
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=
ExecStart=@KUBELET@ --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \\
    --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
"""
# Flatcar's unit reads a file under /usr, unless this variable names another one; other units do not use it.
_CONTAINERD_UNIT = "[Service]\nEnvironment=CONTAINERD_CONFIG=/etc/containerd/config.toml\n"


def script(name: str) -> str:
    """The text of one of the driver's scripts."""
    return resources.files("shared.drivers.kubernetes").joinpath("scripts", name).read_text()


def files(context: BootstrapContext, labels: Labels, *, role: str) -> list[File]:
    """All files except kubeadm's configuration.

    Args:
        role: `init` or `join`, the subcommand of kubeadm.
    """
    found = [
        _file(f"{ETC}/node.env", _environment(context, labels, role), "0600"),
        _file(f"{ETC}/functions.sh", FUNCTIONS),
        _file(f"{ETC}/machine.sh", MACHINE),
        _file(f"{ETC}/trust.sh", host_scripts.text("trust.sh")),
        _file(f"{ETC}/common.sh", script("common.sh")),
        _file(f"{ETC}/programs.sh", script("programs.sh")),
        _file(f"{ETC}/certificates.sh", script("certificates.sh")),
        _file(f"{ETC}/health", script("health.sh"), "0755"),
        *_commands(_NODE_COMMANDS),
        _file(f"{ETC}/containerd.toml", _CONTAINERD),
        _file("/etc/modules-load.d/kubernetes.conf", _MODULES),
        _file("/etc/sysctl.d/90-kubernetes.conf", _SYSCTL),
        # Kubernetes components need no proxies: they connect only within the cluster.
        *proxy_files(context.cluster, "containerd", _no_proxy(context, labels)),
        *authorities.files(context, labels.extra_ca_certificates),
        *registries.files(context.cluster, labels),
    ]
    if context.packages is None:
        found.append(_file(f"{ETC}/kubelet.service", _KUBELET))
        found.append(_file(f"{ETC}/kubelet-kubeadm.conf", _KUBELET_KUBEADM))
        found.append(_file("/etc/systemd/system/containerd.service.d/20-jeroboam.conf", _CONTAINERD_UNIT))
    if context.node.is_master:
        found.append(_file(f"{ETC}/states", script("states.sh"), "0755"))
        found.append(_file(f"{ETC}/check-apiserver", script("check-apiserver.sh"), "0755"))
        found += _commands(_MASTER_COMMANDS)
        if context.cluster.endpoint_mode is EndpointMode.VIRTUAL_IP:
            config = keepalived_config(context, check=f"{ETC}/check-apiserver", key_from=PASSWORDS)
            found.append(_file(f"{ETC}/keepalived.conf", config, "0600"))
    return found


# The commands for agents: `scripts/commands/<name>.sh`. Only masters can change other nodes.
_NODE_COMMANDS = ("upgrade-prepare", "upgrade")
_MASTER_COMMANDS = ("drain", "uncordon", "remove-nodes", "remove-masters", "label-nodes", "restart-workloads")


def _commands(names: Sequence[str]) -> list[File]:
    return [_file(f"{ETC}/commands.d/{name}", script(f"commands/{name}.sh"), "0755") for name in names]


def _file(path: str, content: str, mode: str = "0644") -> File:
    return {"path": path, "content": content, "mode": mode}


def _environment(context: BootstrapContext, labels: Labels, role: str) -> str:
    master = context.node.is_master
    shared_address = master and context.cluster.endpoint_mode is EndpointMode.VIRTUAL_IP
    values: dict[str, Any] = {
        "ROLE": role,
        "MASTER": "yes" if master else "no",
        "NODE_NAME": context.node.name,
        "API_PORT": api_port(context.cluster),
        "KUBERNETES_VERSION": labels.kube_tag,
        "PACKAGES": context.packages or "",
        "PROGRAMS_DIRECTORY": context.programs_directory,
        "KUBERNETES_APT_MIRROR": labels.kubernetes_apt_mirror or "",
        "KUBERNETES_BINARY_MIRROR": labels.kubernetes_binary_mirror or "",
        "CNI_PLUGINS_MIRROR": labels.cni_plugins_mirror or "",
        "CNI_PLUGINS_VERSION": labels.cni_plugins_version,
        "CONTAINERD_VERSION": labels.lowest_containerd or "",
        "IMAGE_REPOSITORY": labels.container_infra_prefix.rstrip("/"),
        "CRI_SOCKET": kubeadm.CRI_SOCKET,
        "VIRTUAL_IP": context.base_outputs["api_private_address"] if shared_address else "",
        "CONTAINER_DIRECTORY": "/var/lib/containerd",
        "CONTAINER_SERVICE": "containerd",
        "ETCD_VOLUME_GIB": context.base_outputs.get("etcd_volume", "") if master else "",
        "CONTAINER_VOLUME_GIB": context.nodegroup.docker_volume_size or "",
        "CNI_MANIFEST_URL": labels.cni_manifest_url or _operators_cni(context, labels),
        "POST_INSTALL_MANIFEST_URL": labels.post_install_manifest_url or "",
    }
    cluster = context.cluster
    if cluster.http_proxy or cluster.https_proxy:
        values |= {
            "http_proxy": encoded(cluster.http_proxy),
            "https_proxy": encoded(cluster.https_proxy),
            "no_proxy": _no_proxy(context, labels),
        }
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def _operators_cni(context: BootstrapContext, labels: Labels) -> str:
    """The operator's manifest for a network driver other than flannel, which is built in."""
    return "" if labels.network_driver == "flannel" else context.cluster.cni_manifest_url or ""


def _no_proxy(context: BootstrapContext, labels: Labels) -> str:
    """The addresses that bypass the proxy: the cluster, and those given by the user."""
    own = own_hosts(context, labels, labels.pods_network_cidr, labels.service_cluster_ip_range)
    return no_proxy(context.cluster, [*own, ".svc", f".{labels.dns_cluster_domain}"])
