"""The configuration of Docker Engine on a node: daemon.json, proxies, the address that managers share.

Rule: files are written by encoders (JSON), never by pasting texts together.
"""

from __future__ import annotations

import json
from typing import Any

from jeroboam.driver import BootstrapContext, keepalived_config
from jeroboam.driver.proxies import docker_proxy_files
from shared.drivers.swarm.labels import Labels, api_port

PKI = "/etc/jeroboam/pki"
NODE_LABEL = "io.jeroboam.node"
NODEGROUP_LABEL = "io.jeroboam.nodegroup"
# The node script inserts the socket: systemd's where docker.socket is used, a file elsewhere.
SOCKET = "@SOCKET@"


def files(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    """daemon.json, and proxies where the template has some."""
    content = json.dumps(_daemon(context, labels), indent=1, sort_keys=True) + "\n"
    return [
        {"path": "/etc/jeroboam/daemon.json", "content": content, "mode": "0644"},
        *docker_proxy_files(context, labels, labels.swarm_address_pool),
    ]


def _daemon(context: BootstrapContext, labels: Labels) -> dict[str, Any]:
    cluster = context.cluster
    config: dict[str, Any] = {
        "hosts": [SOCKET],
        "labels": [f"{NODE_LABEL}={context.node.uuid}", f"{NODEGROUP_LABEL}={context.nodegroup.uuid}"],
        "log-driver": "json-file",
        "log-opts": {"max-size": "10m", "max-file": "3"},
        # Docker refuses swarm mode with it.
        "live-restore": False,
    }
    if context.node.is_master:
        config["hosts"].append(f"tcp://0.0.0.0:{api_port(cluster)}")
        config |= {
            "tlsverify": True,
            "tlscacert": f"{PKI}/ca.pem",
            "tlscert": f"{PKI}/server.pem",
            "tlskey": f"{PKI}/server-key.pem",
        }
    if labels.container_network_mtu:
        config["mtu"] = labels.container_network_mtu
    return config | labels.daemon_settings(cluster)


def shared_address(context: BootstrapContext, check: str) -> str:
    """keepalived's configuration of the address that several managers share."""
    return keepalived_config(context, check=check, key_from="vrrp")
