"""The files with which a service and apt on a node use the proxies of a template.

Rule: values are written with the quoting of their files, never pasted. A row of an earlier version may contain texts
that are refused now, so each is encoded or left out where a file is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from jeroboam.driver import texts
from jeroboam.driver.answers import BootstrapContext
from jeroboam.driver.labels import InfrastructureLabels, node_network
from jeroboam.driver.values import ClusterSpec


def docker_proxy_files(context: BootstrapContext, labels: InfrastructureLabels, *networks: str) -> list[dict[str, str]]:
    """A drop-in of docker.service and apt's settings; none if the template has no proxies.

    Args:
        networks: the cluster's networks besides that of its nodes.
    """
    return proxy_files(context.cluster, "docker", no_proxy(context.cluster, own_hosts(context, labels, *networks)))


def own_hosts(context: BootstrapContext, labels: InfrastructureLabels, *networks: str) -> list[str]:
    """What a cluster reaches without a proxy in any case: this machine, the cluster's API, and its networks."""
    outputs = context.base_outputs
    addresses = [str(outputs["api_private_address"]), str(outputs.get("api_address") or "")]
    return ["127.0.0.1", "localhost", *addresses, node_network(context.cluster, labels), *networks]


def proxy_files(cluster: ClusterSpec, service: str, direct: str) -> list[dict[str, str]]:
    """A drop-in of a service and apt's settings; none if the template has no proxies.

    Args:
        service: the name of its systemd unit, without `.service`.
        direct: what is reached without a proxy, from `no_proxy`.
    """
    proxies = {"http": encoded(cluster.http_proxy), "https": encoded(cluster.https_proxy)}
    used = {scheme: url for scheme, url in proxies.items() if url}
    if not used:
        return []
    variables = {f"{scheme.upper()}_PROXY": url for scheme, url in used.items()} | {"NO_PROXY": direct}
    unit = "[Service]\n" + "".join(f'Environment="{name}={_unit(value)}"\n' for name, value in variables.items())
    apt = "".join(f'Acquire::{scheme}::Proxy "{url}";\n' for scheme, url in used.items())
    return [
        {"path": f"/etc/systemd/system/{service}.service.d/proxy.conf", "content": unit, "mode": "0600"},
        {"path": "/etc/apt/apt.conf.d/95jeroboam-proxy", "content": apt, "mode": "0600"},
    ]


def no_proxy(cluster: ClusterSpec, own: Iterable[str]) -> str:
    """What is reached without a proxy: what the template names, then the cluster's `own` hosts and networks."""
    given = [part for each in (cluster.no_proxy or "").split(",") if texts.is_direct(part := each.strip())]
    return ",".join(dict.fromkeys(part for part in (*given, *own) if part))


def encoded(url: str | None) -> str:
    """A URL without characters that mean something in the files it is written to."""
    return quote(url or "", safe=texts.URL_PUNCTUATION)


def _unit(value: str) -> str:
    """Escape a value for double quotes in a systemd unit."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
