"""Mirrors of registries, and registries without verified TLS: how they are written in labels and told to Docker.

Rule: a connection is unverified only where its host is named: in the label insecure_registries or in the template's
insecure_registry. Source: Docker's reference of daemon.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from jeroboam.driver import ClusterSpec, texts

MOST = 20
LONGEST = 512
HUB = "docker.io"  # the name of the registry of images that are named without one
Mirrors = dict[str, list[str]]


def parse_mirrors(text: str) -> Mirrors:
    """Parse mirrors such as `https://hub.example.org registry.example.com=https://mirror.example.org/path`.

    Returns registry -> URLs of its mirrors, in order; a URL alone is a mirror of Docker Hub.

    Raises:
        ValueError: a word is neither a URL nor a registry and a URL.
    """
    found: Mirrors = {}
    words = text.split()
    if len(words) > MOST:
        raise ValueError(f"must be at most {MOST} mirrors")
    for word in words:
        registry, _, url = (HUB, "", word) if "://" in word.partition("=")[0] else word.partition("=")
        found.setdefault(texts.registry(registry), []).append(_mirror(url))
    return found


def _mirror(word: str) -> str:
    url = texts.url(word)
    parts = urlsplit(url)
    if len(url) > LONGEST or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            f"must be URLs of at most {LONGEST} characters without a password, a query and a fragment, such as "
            "https://mirror.example.org"
        )
    return url


def parse_registries(text: str) -> list[str]:
    """Parse registries such as `registry.example.org:5000 10.0.0.7`. Raises ValueError."""
    words = text.split()
    if len(words) > MOST:
        raise ValueError(f"must be at most {MOST} registries")
    return list(dict.fromkeys(texts.registry(word) for word in words))


def insecure(cluster: ClusterSpec, named: Sequence[str]) -> list[str]:
    """The registries without verified TLS: the template's, and those that the label names."""
    try:
        own = [texts.registry(cluster.insecure_registry)] if cluster.insecure_registry else []
    except ValueError:
        own = []  # of a row that an earlier version stored
    return list(dict.fromkeys([*own, *named]))


def problems(cluster: ClusterSpec, mirrors: Mirrors, named: Sequence[str], *, docker: bool) -> list[str]:
    """Why the mirrors cannot be used, as sentences that name the label.

    Args:
        named: the registries of the label insecure_registries.
        docker: whether the nodes' images are pulled by Docker, which has mirrors of Docker Hub only.
    """
    allowed = insecure(cluster, named)
    urls = [urlsplit(url) for each in mirrors.values() for url in each]
    found = [
        f"label registry_mirrors: {url.geturl()} is not encrypted; use https, or name {url.netloc} in the label "
        "insecure_registries"
        for url in urls
        if url.scheme == "http" and url.netloc not in allowed
    ]
    if docker:
        found += [
            f"label registry_mirrors: {name} cannot have a mirror, because Docker uses mirrors for Docker Hub only"
            for name in mirrors
            if name != HUB
        ]
        found += [
            f"label registry_mirrors: {url.geturl()} has a path, which Docker does not accept"
            for url in urls
            if url.path
        ]
    return found


def daemon_settings(cluster: ClusterSpec, mirrors: Mirrors, named: Sequence[str]) -> dict[str, list[str]]:
    """What daemon.json contains for them; empty if there is nothing to say."""
    settings = {"registry-mirrors": mirrors.get(HUB, []), "insecure-registries": insecure(cluster, named)}
    return {name: values for name, values in settings.items() if values}
