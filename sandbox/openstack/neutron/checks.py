"""What Neutron's API refuses in the fields of subnets, ports and security group rules, in its words.

Sources: Neutron's API reference, and the validators of neutron-lib.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from sandbox.openstack.wire import ApiError

MOST_NAMESERVERS = 5
PROTOCOLS = (
    *("ah", "dccp", "egp", "esp", "gre", "hopopt", "icmp", "icmpv6", "igmp", "ipip", "ipv6-encap", "ipv6-frag"),
    *("ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp"),
    *("udplite", "vrrp"),
)
WITH_PORTS = frozenset({"tcp", "udp", "dccp", "sctp", "udplite", "6", "17", "33", "132", "136"})
ICMP = frozenset({"icmp", "icmpv6", "ipv6-icmp", "1", "58"})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def invalid(field: str, reason: str) -> ApiError:
    """A value of the wrong form."""
    return ApiError(400, f"Invalid input for {field}. Reason: {reason}.", "HTTPBadRequest")


def contradiction(text: str, kind: str = "InvalidInput") -> ApiError:
    """A value that does not go with another one."""
    return ApiError(400, text if kind != "InvalidInput" else f"Invalid input for operation: {text}.", kind)


def subnet_cidr(fields: dict[str, Any]) -> Network:
    """The network of a new subnet, of the IP version asked for."""
    text = str(fields.get("cidr"))
    try:
        cidr = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise invalid("cidr", f"'{text}' is not a valid IP subnet") from None
    if "/" not in text:
        raise invalid("cidr", f"'{text}' isn't a recognized IP subnet cidr, '{cidr}' is recommended")
    version = fields.get("ip_version") or cidr.version
    _same_version(cidr.version, version, "cidr", text)
    longest = 30 if cidr.version == 4 else 126
    if fields.get("enable_dhcp", True) and cidr.prefixlen > longest:
        raise contradiction("Subnet has a prefix length that is incompatible with DHCP service enabled")
    for kind, wrong in (("multicast", cidr.is_multicast), ("loopback", cidr.is_loopback)):
        if wrong and fields.get("enable_dhcp", True):
            raise contradiction(f"{kind} IP subnet is not supported if enable_dhcp is True")
    if fields.get("gateway_ip"):
        _same_version(_address(fields["gateway_ip"], "gateway_ip"), version, "gateway_ip", fields["gateway_ip"])
    _nameservers(fields.get("dns_nameservers") or [], version)
    return cidr


def _nameservers(servers: list[Any], version: int) -> None:
    for number, server in enumerate(servers):
        try:
            ipaddress.ip_address(str(server))
        except ValueError:
            raise invalid("dns_nameservers", f"'{server}' is not a valid nameserver") from None
        if server in servers[:number]:
            raise invalid("dns_nameservers", f"Duplicate nameserver '{server}'")
    if len(servers) > MOST_NAMESERVERS:
        raise contradiction(
            "Unable to complete operation for new subnet. The number of DNS nameservers exceeds the limit "
            f"{MOST_NAMESERVERS}.",
            "DNSNameServersExhausted",
        )
    for server in servers:
        _same_version(ipaddress.ip_address(str(server)).version, version, "dns_nameserver", server)


def _address(text: Any, field: str) -> int:
    try:
        return ipaddress.ip_address(str(text)).version
    except ValueError:
        raise invalid(field, f"'{text}' is not a valid IP address") from None


def _same_version(found: int, version: Any, field: str, value: Any) -> None:
    if str(found) != str(version):
        raise contradiction(f"{field} '{value}' does not match the ip_version '{version}'")


def address_pairs(pairs: list[dict[str, Any]]) -> None:
    """Allowed address pairs of a port: addresses or networks, each once."""
    seen: set[tuple[Any, Any]] = set()
    for pair in pairs:
        text = str(pair.get("ip_address"))
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise invalid("allowed_address_pairs", f"'{text}' is not a valid IP subnet") from None
        if (key := (pair.get("mac_address"), text)) in seen:
            raise contradiction(
                f"Request contains duplicate address pair: mac_address {key[0]} ip_address {text}.",
                "DuplicateAddressPairInRequest",
            )
        seen.add(key)


def rule(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a new security group rule, in the form Neutron stores them."""
    fields = dict(fields)
    ethertype = fields.get("ethertype") or "IPv4"
    if ethertype not in ("IPv4", "IPv6"):
        text = f"Security group rule for ethertype '{ethertype}' not supported. Allowed values are ['IPv4', 'IPv6']."
        raise contradiction(text, "SecurityGroupRuleInvalidEtherType")
    protocol = fields.get("protocol")
    if protocol is not None:
        _protocol(str(protocol).lower())
        _ports(fields, str(protocol).lower())
    elif fields.get("port_range_min") is not None or fields.get("port_range_max") is not None:
        raise contradiction(
            "Must also specify protocol if port range is given.", "SecurityGroupProtocolRequiredWithPorts"
        )
    prefix = fields.get("remote_ip_prefix")
    if prefix and fields.get("remote_group_id"):
        raise contradiction(
            "Only remote_ip_prefix or remote_group_id may be provided.", "SecurityGroupRemoteGroupAndRemoteIpPrefix"
        )
    if prefix:
        try:
            network = ipaddress.ip_network(str(prefix), strict=False)
        except ValueError:
            raise contradiction(f"Invalid CIDR {prefix} given as IP prefix.", "InvalidCIDR") from None
        if f"IPv{network.version}" != ethertype:
            text = f"Conflicting value ethertype {ethertype} for CIDR {prefix}"
            raise contradiction(text, "SecurityGroupRuleParameterConflict")
        fields["remote_ip_prefix"] = str(network)
    return fields


def _protocol(protocol: str) -> None:
    if protocol not in PROTOCOLS and not (protocol.isascii() and protocol.isdigit() and int(protocol) <= 255):
        raise contradiction(
            f"Security group rule protocol {protocol} not supported. Only protocol values {list(PROTOCOLS)} and "
            "integer representations [0 to 255] are supported.",
            "SecurityGroupRuleInvalidProtocol",
        )


def _ports(fields: dict[str, Any], protocol: str) -> None:
    low, high = fields.get("port_range_min"), fields.get("port_range_max")
    for port in (low, high):
        if port is not None and not (str(port).isdigit() and 0 <= int(port) <= 65535):
            raise contradiction(f"Invalid value for port {port}", "SecurityGroupInvalidPortValue")
    if low is None and high is None:
        return
    if protocol in WITH_PORTS:
        if 0 in (low, high):
            raise contradiction("Invalid value for port 0", "SecurityGroupInvalidPortValue")
        if low is None or high is None or int(low) > int(high):
            text = "For TCP/UDP protocols, port_range_min must be <= port_range_max"
            raise contradiction(text, "SecurityGroupInvalidPortRange")
    elif protocol in ICMP:
        for name, attribute, value in (("type", "port_range_min", low), ("code", "port_range_max", high)):
            if value is not None and int(value) > 255:
                text = f"Invalid value for ICMP {name} ({attribute}) {value}. It must be 0 to 255."
                raise contradiction(text, "SecurityGroupInvalidIcmpValue")
    else:
        text = f"Invalid protocol {protocol} for port range, only supported for {', '.join(sorted(WITH_PORTS))}."
        raise contradiction(text, "SecurityGroupInvalidProtocolForPort")


def unguarded(groups: list[Any], pairs: list[Any]) -> None:
    """What a port without port security cannot have."""
    if groups:
        raise ApiError(
            400,
            "Port security must be enabled and port must have an IP address in order to use security groups.",
            "PortSecurityAndIPRequiredForSecurityGroups",
        )
    if pairs:
        raise ApiError(
            409,
            "Port Security must be enabled in order to have allowed address pairs on a port.",
            "AddressPairAndPortSecurityRequired",
        )
