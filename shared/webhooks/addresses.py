"""Which addresses requests on behalf of users may be sent to.

Rule: these are pure functions on addresses. The table lists every range that is not an ordinary public one;
`ipaddress.is_global` is not used, because it accepts some of them (multicast, NAT64, 6to4, IPv4-compatible and
site-local addresses). IPv6 outside 2000::/3 is refused altogether. Sources: IANA's special-purpose registries, and the
metadata addresses of public clouds.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_IPV4: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "the local host"),
    ("10.0.0.0/8", "a private network"),
    ("100.64.0.0/10", "a network behind carrier-grade NAT"),
    ("127.0.0.0/8", "the local host"),
    ("168.63.129.16/32", "a metadata service"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "a private network"),
    ("192.0.0.0/24", "reserved for protocols"),
    ("192.0.2.0/24", "reserved for documentation"),
    ("192.31.196.0/24", "reserved for AS112"),
    ("192.52.193.0/24", "reserved for AMT"),
    ("192.88.99.0/24", "a 6to4 relay"),
    ("192.168.0.0/16", "a private network"),
    ("192.175.48.0/24", "reserved for AS112"),
    ("198.18.0.0/15", "reserved for benchmarks"),
    ("198.51.100.0/24", "reserved for documentation"),
    ("203.0.113.0/24", "reserved for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved or broadcast"),
)
# Inside 2000::/3. Everything outside it is refused.
_IPV6: tuple[tuple[str, str], ...] = (
    ("2001::/23", "reserved for protocols, such as Teredo"),
    ("2001:db8::/32", "reserved for documentation"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "reserved for AS112"),
    ("3fff::/20", "reserved for documentation"),
)
_FORBIDDEN: tuple[tuple[Network, str], ...] = tuple((ip_network(net), why) for net, why in (*_IPV4, *_IPV6))
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# The interface identifier of ISATAP is one of these, followed by an IPv4 address.
_ISATAP = (0x00005EFE, 0x02005EFE)


def plain(address: Address) -> Address:
    """The IPv4 address inside an IPv4-mapped one; other addresses unchanged."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def forbidden(address: Address, *, allowed: Sequence[Network] = (), denied: Sequence[Network] = ()) -> str | None:
    """Why no request may be sent to an address, or None if it may.

    Args:
        allowed: networks that are permitted although the table lists them.
        denied: networks that are refused although the table does not list them; they win over `allowed`.
    """
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "an address with a zone"
    address = plain(address)
    if any(address in network for network in denied if network.version == address.version):
        return "denied by the operator"
    inside = _embedded(address)
    if inside is not None and (why := forbidden(inside, allowed=allowed, denied=denied)):
        return f"an address that contains {inside} ({why})"
    if any(address in network for network in allowed if network.version == address.version):
        return None
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "not a public address"
    return next((why for network, why in _FORBIDDEN if address in network), None)


def parse_address(text: str) -> Address | None:
    """The address in canonical notation, or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address to which a gateway would send packets for this IPv6 address."""
    if not isinstance(address, IPv6Address):
        return None
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64 or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return low
    if address.sixtofour is not None:
        return address.sixtofour
    return address.teredo[1] if address.teredo is not None else None
