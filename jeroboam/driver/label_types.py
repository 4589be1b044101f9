"""Types that parse the text of labels. Engines use them in their own models of labels.

Rule: an error message states the expected format, with an example where that helps.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from jeroboam.driver import texts

# Addresses that no port of a network can have: this host, loopback, link-local (metadata service), multicast, reserved.
_SPECIAL = [
    ipaddress.IPv4Network(network)
    for network in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")
]


def cidr(value: str) -> str:
    """An IPv4 network in canonical form. Raises ValueError."""
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"must be an IPv4 network such as 10.100.0.0/16: {error}") from None
    for special in _SPECIAL:
        if network.overlaps(special):
            raise ValueError(f"must be a network of addresses for machines, such as 10.100.0.0/16: {special} is not")
    return str(network)


def _cidrs(value: str) -> str:
    try:
        networks = [str(ipaddress.IPv4Network(part)) for part in (part.strip() for part in value.split(",")) if part]
    except ValueError as error:
        raise ValueError(f"must be IPv4 networks separated by commas, such as 203.0.113.0/24: {error}") from None
    if not networks:
        raise ValueError("must name at least one IPv4 network, such as 0.0.0.0/0")
    return ",".join(dict.fromkeys(networks))


def _address(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise ValueError("must be an IPv4 address") from None


def _number(value: object) -> object:
    """Decimal digits only: Python also reads `1_0`, `+1` and `1.0`."""
    if isinstance(value, str) and not re.fullmatch(r"-?(0|[1-9][0-9]{0,8})", value):
        raise ValueError("must be a whole number such as 20")
    return value


def _zones(value: str) -> str:
    if ":" in value or any(len(part.strip()) > 255 for part in value.split(",")):
        raise ValueError("must be names of availability zones separated by commas, without hosts")
    return texts.printable(value, 4096)


def parse_ports(text: str) -> list[tuple[int, int]]:
    """Parse ports and ranges such as `80 443 30000-32767`. Raises ValueError."""
    found = []
    for word in text.replace(",", " ").split():
        match = re.fullmatch(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?", word)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 0 < low <= high <= 65535:
            raise ValueError("must be ports and ranges of ports such as '80 443 30000-32767'")
        found.append((low, high))
    if len(found) > 20:
        raise ValueError("must be at most 20 ports and ranges")
    return found


def _ports(value: str) -> str:
    parse_ports(value)
    return value


def _provider(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value):
        raise ValueError("must be the name of one of Octavia's providers, such as amphora or ovn")
    return value


def _tag(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", value):
        raise ValueError("must be a tag of a container image")
    return value


Cidr = Annotated[str, AfterValidator(cidr)]
Cidrs = Annotated[str, AfterValidator(_cidrs)]
Address = Annotated[str, AfterValidator(_address)]
Prefix = Annotated[str, AfterValidator(texts.image_prefix)]
Url = Annotated[str, AfterValidator(texts.url)]
Domain = Annotated[str, AfterValidator(texts.domain)]
Name = Annotated[str, AfterValidator(texts.printable)]
Number = Annotated[int, BeforeValidator(_number)]
Ports = Annotated[str, AfterValidator(_ports)]
Zones = Annotated[str, AfterValidator(_zones)]
Provider = Annotated[str, AfterValidator(_provider)]
Algorithm = Literal["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"]
Tag = Annotated[str, AfterValidator(_tag)]
UpgradeStrategy = Literal["auto", "in_place", "workers", "replace"]
AffinityPolicy = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]
