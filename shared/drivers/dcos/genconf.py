"""The files from which DC/OS' generator makes the installer of a cluster: config.yaml and the detection of addresses.

Rule: every field is a documented parameter, and its value has the type that the generator expects: texts, also for
numbers and for true and false. No file contains a secret.
"""

from __future__ import annotations

import json

from jeroboam.driver import BootstrapContext, masters
from jeroboam.driver.labels import node_network
from jeroboam.driver.proxies import encoded, no_proxy
from shared.drivers.dcos.labels import Labels

# Written to every node: what the scripts print. Services read them as other users than root.
ADDRESS_FILE = "/etc/dcos-address"
PUBLIC_ADDRESS_FILE = "/etc/dcos-public-address"


def detect(path: str) -> str:
    """ip-detect, or ip-detect-public: prints one IPv4 address, the same as long as the machine exists."""
    return f"#!/bin/sh\nset -o nounset -o errexit\ncat {path}\n"


def config(context: BootstrapContext, labels: Labels, bootstrap_url: str) -> str:
    """config.yaml, in the subset of YAML that is JSON."""
    cluster = context.cluster
    values: dict[str, object] = {
        "bootstrap_url": bootstrap_url,
        "cluster_name": cluster.name,
        "exhibitor_storage_backend": labels.exhibitor_storage_backend,
        "master_discovery": labels.master_discovery,
        "master_list": [str(node.ip_address) for node in masters(context.nodes)],
        "ip_detect_public_filename": "genconf/ip-detect-public",
        "oauth_enabled": _flag(labels.oauth_enabled),
        "telemetry_enabled": _flag(labels.telemetry_enabled),
        "check_time": _flag(labels.check_time),
        "enable_ipv6": "false",
        "dcos_overlay_enable": _flag(labels.dcos_overlay_enable),
        "dcos_overlay_mtu": str(labels.dcos_overlay_mtu),
        "gc_delay": f"{labels.gc_delay}days",
        "docker_remove_delay": f"{labels.docker_remove_delay}hrs",
    }
    if cluster.dns_nameservers:
        values["resolvers"] = list(cluster.dns_nameservers)
    if labels.dns_search:
        values["dns_search"] = labels.dns_search
    proxies = {"http_proxy": encoded(cluster.http_proxy), "https_proxy": encoded(cluster.https_proxy)}
    if used := {name: url for name, url in proxies.items() if url}:
        direct = no_proxy(cluster, ["127.0.0.1", "localhost", node_network(cluster, labels)])
        values |= {"use_proxy": "true", **used, "no_proxy": direct.split(",")}
    return json.dumps(values, indent=1) + "\n"


def _flag(value: bool) -> str:
    return "true" if value else "false"
