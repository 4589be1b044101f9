"""How the text of a label becomes a value, and what is said when it cannot.

Rule: a refusal tells what would be right, with an example where that helps.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator

OLDEST_MINOR = 31  # the first whose kubeadm reads v1beta4


def _version(value: str) -> str:
    match = re.fullmatch(r"v1\.([0-9]{1,3})\.[0-9]{1,3}", value)
    if match is None or int(match[1]) < OLDEST_MINOR:
        raise ValueError(f"must be a version of Kubernetes from v1.{OLDEST_MINOR}.0 on, such as v1.34.2")
    return value


def _cidr(value: str) -> str:
    try:
        return str(ipaddress.IPv4Network(value))
    except ValueError as error:
        raise ValueError(f"must be an IPv4 network such as 10.100.0.0/16: {error}") from None


def _service_range(value: str) -> str:
    network = ipaddress.IPv4Network(_cidr(value))
    # Kubernetes counts at most 20 bits of services, and the DNS takes the tenth address.
    if not 12 <= network.prefixlen <= 28:
        raise ValueError("must be between a /12 and a /28")
    return str(network)


def _cidrs(value: str) -> str:
    for cidr in filter(None, (part.strip() for part in value.split(","))):
        try:
            ipaddress.ip_network(cidr)
        except ValueError as error:
            raise ValueError(f"must be networks separated by commas: {error}") from None
    return value


def _address(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise ValueError("must be an IPv4 address") from None


def _prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_/-]*", value):
        raise ValueError("must be a registry prefix such as registry.example.org/mirror/")
    return value if not value or value.endswith("/") else f"{value}/"


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s'\"\\]", value):
        raise ValueError("must be a URL such as https://mirror.example.org/path")
    return value.rstrip("/")


def _tag(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", value):
        raise ValueError("must be a tag of a container image")
    return value


def _options(value: str) -> str:
    parse_options(value)
    return value


def parse_options(text: str) -> list[tuple[str, str]]:
    """Command line options such as `--v=2 --profiling` as (name, value) pairs, in order.

    Raises:
        ValueError: the text is not made of options.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"must be options such as --v=2: {error}") from None
    pairs = []
    for word in words:
        match = re.fullmatch(r"--([a-z0-9][a-z0-9.-]*)(?:=(.*))?", word, re.DOTALL)
        if match is None:
            raise ValueError(f"must be options such as --v=2, not {word[:40]!r}")
        pairs.append((match[1], "true" if match[2] is None else match[2]))
    return pairs


Version = Annotated[str, AfterValidator(_version)]
Cidr = Annotated[str, AfterValidator(_cidr)]
ServiceRange = Annotated[str, AfterValidator(_service_range)]
Cidrs = Annotated[str, AfterValidator(_cidrs)]
Address = Annotated[str, AfterValidator(_address)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Url = Annotated[str, AfterValidator(_url)]
Tag = Annotated[str, AfterValidator(_tag)]
Options = Annotated[str, AfterValidator(_options)]
AffinityPolicy = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]
