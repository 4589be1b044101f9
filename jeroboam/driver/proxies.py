"""The files with which Docker Engine and apt on a node use the proxies of a template.

Rule: values are written with the quoting of their files, never pasted.
"""

from __future__ import annotations

from urllib.parse import quote

from jeroboam.driver import texts
from jeroboam.driver.answers import BootstrapContext
from jeroboam.driver.labels import InfrastructureLabels, node_network


def docker_proxy_files(context: BootstrapContext, labels: InfrastructureLabels) -> list[dict[str, str]]:
    """A drop-in of docker.service and apt's settings; none if the template has no proxies."""
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


def _no_proxy(context: BootstrapContext, labels: InfrastructureLabels) -> str:
    cluster, outputs = context.cluster, context.base_outputs
    given = [part for each in (cluster.no_proxy or "").split(",") if texts.is_direct(part := each.strip())]
    own = ["127.0.0.1", "localhost", str(outputs["api_private_address"]), node_network(cluster, labels)]
    return ",".join(dict.fromkeys(part for part in (*given, *own) if part))


def _unit(value: str) -> str:
    """Escape a value for double quotes in a systemd unit."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
