"""containerd's files for mirrors of registries and for registries without verified TLS.

Rule: a registry that has neither is left to containerd. The files are read at every pull, so no restart is needed.
Source: containerd's documentation of `hosts.toml`.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from jeroboam.driver import ClusterSpec
from shared.drivers.hosts import registries
from shared.drivers.kubernetes.labels import Labels

DIRECTORY = "/etc/containerd/certs.d"


def files(cluster: ClusterSpec, labels: Labels) -> list[dict[str, str]]:
    """`hosts.toml` of each registry that needs one."""
    insecure, mirrors = registries.insecure(cluster, labels.insecure_hosts), labels.mirrors
    return [
        {
            "path": f"{DIRECTORY}/{registry}/hosts.toml",
            "content": _hosts(registry, mirrors.get(registry, []), insecure),
            "mode": "0644",
        }
        for registry in dict.fromkeys([*mirrors, *insecure])
    ]


def _hosts(registry: str, mirrors: list[str], insecure: list[str]) -> str:
    """Mirrors are asked first, in order. Without `server`, containerd knows the registry's address itself."""
    plain = f"http://{registry}" if registry in insecure else None
    server = f"server = {_quoted(plain)}\n" if plain else ""
    urls = [*mirrors, *([plain] if plain else [])]
    return server + "".join(_host(url, urlsplit(url).netloc in insecure) for url in urls)


def _host(url: str, insecure: bool) -> str:
    unverified = "  skip_verify = true\n" if insecure else ""
    return f'\n[host.{_quoted(url)}]\n  capabilities = ["pull", "resolve"]\n{unverified}'


def _quoted(text: str) -> str:
    """A basic string of TOML, which has the escapes of JSON."""
    return json.dumps(text)
