"""Types that parse the text of labels. Engines use them in their own models of labels.

Rule: an error message states the expected format, with an example where that helps.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator


def cidr(value: str) -> str:
    """An IPv4 network in canonical form. Raises ValueError."""
    try:
        return str(ipaddress.IPv4Network(value))
    except ValueError as error:
        raise ValueError(f"must be an IPv4 network such as 10.100.0.0/16: {error}") from None


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


Cidr = Annotated[str, AfterValidator(cidr)]
Cidrs = Annotated[str, AfterValidator(_cidrs)]
Address = Annotated[str, AfterValidator(_address)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Url = Annotated[str, AfterValidator(_url)]
Tag = Annotated[str, AfterValidator(_tag)]
AffinityPolicy = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]
