"""flannel, the built-in network driver: each node routes its part of the pod network.

Source: flannel's documented configuration (net-conf.json, `--kube-subnet-mgr`).
"""

from __future__ import annotations

import json

from shared.drivers.kubernetes.addons.objects import (
    TOLERATE_ALL,
    Object,
    account,
    config_map,
    from_field,
    host_path,
    metadata,
    mount,
    rule,
    workload,
)
from shared.drivers.kubernetes.labels import Labels

NAMESPACE = "kube-flannel"
_NAME = "flannel"


def render(labels: Labels) -> list[Object]:
    """All objects, in the order in which they are applied."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": metadata(NAMESPACE, labels={"pod-security.kubernetes.io/enforce": "privileged"}),
        },
        *account(
            _NAME,
            NAMESPACE,
            _NAME,
            [
                rule("core", "pods", "get"),
                rule("core", "nodes", "get list watch"),
                rule("core", "nodes/status", "patch"),
            ],
        ),
        _config(labels),
        _daemon(labels),
    ]


def _config(labels: Labels) -> Object:
    chain = {
        "name": "cbr0",
        "cniVersion": "0.3.1",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    network = {"Network": labels.pods_network_cidr, "Backend": {"Type": labels.flannel_backend}}
    data = {"cni-conf.json": json.dumps(chain), "net-conf.json": json.dumps(network)}
    return config_map("kube-flannel-cfg", NAMESPACE, data)


def _daemon(labels: Labels) -> Object:
    # Without a prefix, the images come from the registry that flannel publishes them in, containerd's default.
    prefix = labels.container_infra_prefix or "flannel/"
    daemon = f"{prefix}flannel:{labels.flannel_tag}"
    copy = {"command": ["cp", "-f"]}
    pod = {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "serviceAccountName": _NAME,
        "tolerations": [TOLERATE_ALL],
        "initContainers": [
            {
                **copy,
                "name": "install-cni-plugin",
                "image": f"{prefix}flannel-cni-plugin:{labels.flannel_cni_tag}",
                "args": ["/flannel", "/opt/cni/bin/flannel"],
                "volumeMounts": [mount("cni-plugins", "/opt/cni/bin")],
            },
            {
                **copy,
                "name": "install-cni-config",
                "image": daemon,
                "args": ["/etc/kube-flannel/cni-conf.json", "/etc/cni/net.d/10-flannel.conflist"],
                "volumeMounts": [mount("cni", "/etc/cni/net.d"), mount("config", "/etc/kube-flannel/")],
            },
        ],
        "containers": [
            {
                "name": "flanneld",
                "image": daemon,
                "command": ["/opt/bin/flanneld"],
                "args": ["--ip-masq", "--kube-subnet-mgr"],
                "env": [
                    from_field("POD_NAME", "metadata.name"),
                    from_field("POD_NAMESPACE", "metadata.namespace"),
                    {"name": "EVENT_QUEUE_DEPTH", "value": "5000"},
                ],
                "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
                "securityContext": {"privileged": False, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
                "volumeMounts": [
                    mount("run", "/run/flannel"),
                    mount("config", "/etc/kube-flannel/"),
                    mount("xtables-lock", "/run/xtables.lock"),
                ],
            }
        ],
        "volumes": [
            host_path("run", "/run/flannel"),
            host_path("cni-plugins", "/opt/cni/bin"),
            host_path("cni", "/etc/cni/net.d"),
            host_path("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
            {"name": "config", "configMap": {"name": "kube-flannel-cfg"}},
        ],
    }
    return workload("DaemonSet", "kube-flannel-ds", NAMESPACE, pod)
