"""The simulated services refuse what the real ones refuse, with their status and words."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.openstack import octavia_checks
from sandbox.openstack.neutron import checks as neutron
from sandbox.openstack.nova import checks as nova
from sandbox.openstack.wire import ApiError

TCP = {"protocol": "tcp", "port_range_min": 80, "port_range_max": 90}


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"cidr": "10.0.0.0/33"}, "HTTPBadRequest", "Invalid input for cidr. Reason: '10.0.0.0/33' is not a valid IP"),
        ({"cidr": "10.0.0.0"}, "HTTPBadRequest", "Invalid input for cidr. Reason: '10.0.0.0' isn't a recognized IP"),
        ({"cidr": "2001:db8::/64", "ip_version": 4}, "InvalidInput", "cidr '2001:db8::/64' does not match the ip_vers"),
        ({"cidr": "10.0.0.0/31"}, "InvalidInput", "Subnet has a prefix length that is incompatible with DHCP service"),
        ({"cidr": "224.1.0.0/24"}, "InvalidInput", "multicast IP subnet is not supported if enable_dhcp is True"),
        ({"cidr": "127.1.0.0/24"}, "InvalidInput", "loopback IP subnet is not supported if enable_dhcp is True"),
        ({"gateway_ip": "fe80::1"}, "InvalidInput", "gateway_ip 'fe80::1' does not match the ip_version '4'"),
        ({"dns_nameservers": ["::1"]}, "InvalidInput", "dns_nameserver '::1' does not match the ip_version '4'"),
        ({"dns_nameservers": ["x"]}, "HTTPBadRequest", "dns_nameservers. Reason: 'x' is not a valid nameserver."),
        ({"dns_nameservers": ["8.8.8.8", "8.8.8.8"]}, "HTTPBadRequest", "Duplicate nameserver '8.8.8.8'"),
        ({"dns_nameservers": [f"1.1.1.{n}" for n in range(6)]}, "DNSNameServersExhausted", "exceeds the limit 5."),
    ],
)
def test_subnets(fields: dict[str, Any], kind: str, text: str) -> None:
    with pytest.raises(ApiError) as refused:
        neutron.subnet_cidr({"cidr": "10.0.0.0/24", "ip_version": 4, **fields})
    assert (refused.value.status, refused.value.kind) == (400, kind)
    assert text in refused.value.message


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"remote_ip_prefix": "nonsense"}, "InvalidCIDR"),
        ({"remote_ip_prefix": "2001:db8::/64"}, "SecurityGroupRuleParameterConflict"),
        ({"remote_ip_prefix": "10.0.0.0/8", "ethertype": "IPv6"}, "SecurityGroupRuleParameterConflict"),
        ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "g"}, "SecurityGroupRemoteGroupAndRemoteIpPrefix"),
        ({"ethertype": "IPX"}, "SecurityGroupRuleInvalidEtherType"),
        ({"protocol": "tpc"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "256"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": None}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"port_range_min": 0}, "SecurityGroupInvalidPortValue"),
        ({"port_range_max": 65536}, "SecurityGroupInvalidPortValue"),
        ({"port_range_min": 91}, "SecurityGroupInvalidPortRange"),
        ({"port_range_max": None}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "vrrp"}, "SecurityGroupInvalidProtocolForPort"),
    ],
)
def test_rules(fields: dict[str, Any], kind: str) -> None:
    with pytest.raises(ApiError) as refused:
        neutron.rule({**TCP, **fields})
    assert (refused.value.status, refused.value.kind) == (400, kind)


def test_a_rule_is_stored_in_neutrons_form() -> None:
    assert neutron.rule({**TCP, "remote_ip_prefix": "10.1.2.3/8"})["remote_ip_prefix"] == "10.0.0.0/8"
    for protocol in ("112", "4", "icmp", 6):
        neutron.rule({"protocol": protocol, "remote_ip_prefix": "10.0.0.0/8"})


def test_address_pairs() -> None:
    neutron.address_pairs([{"ip_address": "10.100.0.0/14"}, {"ip_address": "10.0.0.4"}])
    for pairs, kind in (
        ([{"ip_address": "pods"}], "HTTPBadRequest"),
        ([{"ip_address": "10.0.0.4"}, {"ip_address": "10.0.0.4"}], "DuplicateAddressPairInRequest"),
    ):
        with pytest.raises(ApiError) as refused:
            neutron.address_pairs(pairs)
        assert (refused.value.status, refused.value.kind) == (400, kind)


@pytest.mark.parametrize(
    ("provider", "kind", "fields", "status", "text"),
    [
        ("ovn", "pool", {"lb_algorithm": "ROUND_ROBIN"}, 501, "OVN provider does not support ROUND_ROBIN algorithm"),
        (
            "amphora",
            "pool",
            {"lb_algorithm": "SOURCE_IP_PORT"},
            501,
            "Amphora provider does not support SOURCE_IP_PO",
        ),
        ("amphora", "pool", {"lb_algorithm": "RANDOM"}, 400, "Invalid input for field/attribute lb_algorithm."),
        ("ovn", "listener", {"allowed_cidrs": ["10.0.0.0/8"]}, 501, "OVN provider does not support allowed_cidrs opt"),
        (
            "amphora",
            "listener",
            {"allowed_cidrs": ["::/0"]},
            400,
            "CIDR ::/0 IP version incompatible with VIP 10.0.0",
        ),
        ("amphora", "listener", {"allowed_cidrs": ["x"]}, 400, "Value should be IPv4 or IPv6 CIDR format"),
        ("amphora", "listener", {"protocol_port": 0}, 400, "Invalid input for field/attribute protocol_port."),
        ("none", "balancer", {}, 400, "Provider 'none' is not enabled."),
        ("amphora", "monitor", {"type": "X"}, 400, "Invalid input for field/attribute type. Value: 'X'."),
        ("amphora", "monitor", {"delay": 4}, 400, "delay must be greater than or equal to timeout"),
        ("amphora", "monitor", {"type": "TCP", "url_path": "/readyz"}, 400, "url_path is not a valid option"),
        ("amphora", "monitor", {"url_path": "readyz"}, 400, "field/attribute url_path"),
        ("amphora", "monitor", {"expected_codes": "2xx"}, 400, "field/attribute expected_codes"),
        ("amphora", "monitor", {"exists": True}, 409, "This pool already has a health monitor"),
        ("ovn", "monitor", {}, 501, "OVN provider does not support HTTPS health monitor type. Supported types: UDP-"),
    ],
)
def test_load_balancers(provider: str, kind: str, fields: dict[str, Any], status: int, text: str) -> None:
    above = {"vip_address": "10.0.0.4", "provider": provider}
    with pytest.raises(ApiError) as refused:
        if kind == "balancer":
            octavia_checks.balancer({"provider": provider})
        elif kind == "monitor":
            known = {"type": "HTTPS", "delay": 5, "timeout": 5, **fields}
            octavia_checks.monitor(above, known, exists=bool(known.pop("exists", False)))
        else:
            getattr(octavia_checks, kind)(above, {"protocol_port": 6443, **fields})
    assert refused.value.status == status
    assert text in refused.value.message


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"name": ""}, 400, "Invalid input for field/attribute name. Value: . '' is too short"),
        ({"name": "x" * 256}, 400, "is too long"),
        ({"name": " x"}, 400, "Invalid input for field/attribute name."),
        ({"name": "a\nb"}, 400, "Invalid input for field/attribute name."),
        ({"name": None}, 400, "None is not of type 'string'"),
        ({"metadata": {"k": "v" * 256}}, 400, "Invalid input for field/attribute k."),
        ({"metadata": {"k/x": "v"}}, 400, "'k/x' does not match any of the regexes"),
        ({"metadata": {str(n): "" for n in range(129)}}, 403, "Maximum number of metadata items exceeds 128"),
        ({"availability_zone": "elsewhere"}, 400, "The requested availability zone is not available"),
    ],
)
def test_servers(fields: dict[str, Any], status: int, text: str) -> None:
    with pytest.raises(ApiError) as refused:
        nova.server({"name": "a", **fields}, limit=128)
    assert refused.value.status == status
    assert text in refused.value.message
