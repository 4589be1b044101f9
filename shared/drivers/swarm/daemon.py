"""The configuration of Docker Engine on a node: daemon.json, proxies, the address that managers share.

Rule: files are written by encoders (JSON, and the quoting of systemd units), never by pasting texts together.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from jeroboam.driver import BootstrapContext, keepalived_config, node_network, texts
from shared.drivers.swarm.labels import Labels, api_port

PKI = "/etc/jeroboam/pki"
NODE_LABEL = "io.jeroboam.node"
NODEGROUP_LABEL = "io.jeroboam.nodegroup"
# The node script inserts the socket: systemd's where docker.socket is used, a file elsewhere.
SOCKET = "@SOCKET@"


def files(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    """daemon.json, and proxies where the template has some."""
    content = json.dumps(_daemon(context, labels), indent=1, sort_keys=True) + "\n"
    return [{"path": "/etc/jeroboam/daemon.json", "content": content, "mode": "0644"}, *_proxies(context, labels)]


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
    if mirrors := labels.registry_mirrors.split():
        config["registry-mirrors"] = mirrors
    if cluster.insecure_registry:
        try:
            config["insecure-registries"] = [texts.registry(cluster.insecure_registry)]
        except ValueError:
            pass  # of a row that an earlier version stored
    return config


def _proxies(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    cluster = context.cluster
    used = {"HTTP_PROXY": cluster.http_proxy, "HTTPS_PROXY": cluster.https_proxy}
    variables = {name: quote(url, safe=texts.URL_PUNCTUATION) for name, url in used.items() if url}
    if not variables:
        return []
    apt = "".join(f'Acquire::{name.lower()[:-6]}::Proxy "{url}";\n' for name, url in variables.items())
    variables["NO_PROXY"] = _no_proxy(context, labels)
    unit = "[Service]\n" + "".join(f'Environment="{name}={_unit(value)}"\n' for name, value in variables.items())
    return [
        {"path": "/etc/systemd/system/docker.service.d/proxy.conf", "content": unit, "mode": "0600"},
        {"path": "/etc/apt/apt.conf.d/95jeroboam-proxy", "content": apt, "mode": "0600"},
    ]


def _no_proxy(context: BootstrapContext, labels: Labels) -> str:
    cluster, outputs = context.cluster, context.base_outputs
    given = [part for each in (cluster.no_proxy or "").split(",") if texts.is_direct(part := each.strip())]
    own = ["127.0.0.1", "localhost", str(outputs["api_private_address"]), node_network(cluster, labels)]
    return ",".join(dict.fromkeys(part for part in (*given, *own) if part))


def _unit(value: str) -> str:
    """Escape a value for double quotes in a systemd unit."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def shared_address(context: BootstrapContext, check: str) -> str:
    """keepalived's configuration of the address that several managers share."""
    return keepalived_config(context, check=check, key_from="vrrp")
