"""What the simulated services refuse over HTTP and in stacks, and that the stacks of clusters pass."""

from __future__ import annotations

from typing import Any

import pytest

from jeroboam.testing.cases import Case, make_case
from tests.support.kubernetes import driver

V2 = "/network/v2.0"


def balanced(**labels: str) -> Case:
    """A cluster with a load balancer on the simulated cloud's external network."""
    return make_case(driver, "octavia").with_cluster(external_network_id="public").with_labels(**labels)


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"master_lb_allowed_cidrs": "203.0.113.0/24,10.0.0.0/20"},
        {"octavia_provider": "amphora", "octavia_lb_algorithm": "SOURCE_IP"},
        {"octavia_provider": "ovn", "master_lb_allowed_cidrs": "203.0.113.0/24"},
    ],
    ids=str,
)
async def test_base_stacks_of_clusters_are_accepted(demo: Any, labels: dict[str, str]) -> None:
    await demo.create("c", balanced(**labels).base()["resources"])
    await demo.until("c", "CREATE_COMPLETE")


@pytest.mark.parametrize(
    ("provider", "resource", "changes", "reason"),
    [
        (
            "ovn",
            "api_pool",
            {"lb_algorithm": "ROUND_ROBIN"},
            "OctaviaClientException: resources.api_pool: Provider 'ovn' does not support a requested option: OVN "
            "provider does not support ROUND_ROBIN algorithm (HTTP 501)",
        ),
        ("ovn", "api_monitor", {"type": "HTTPS"}, "does not support HTTPS health monitor type. Supported types: UDP-"),
        ("amphora", "api_monitor", {"delay": 1}, "delay must be greater than or equal to timeout"),
        ("ovn", "api_listener", {"allowed_cidrs": ["10.0.0.0/8"]}, "does not support allowed_cidrs option (HTTP 501)"),
        ("amphora", "api_listener", {"allowed_cidrs": ["::/0"]}, "CIDR ::/0 IP version incompatible with VIP 10.0."),
        ("none", "api_lb", {}, "OctaviaClientException: resources.api_lb: Provider 'none' is not enabled. (HTTP 400)"),
        ("amphora", "subnet", {"dns_nameservers": ["::1"]}, "dns_nameserver '::1' does not match the ip_version '4'."),
        ("amphora", "subnet", {"cidr": "2001:db8::/64"}, "cidr '2001:db8::/64' does not match the ip_version '4'."),
        (
            "amphora",
            "master_security_group",
            {"rules": [{"protocol": "tcp", "remote_ip_prefix": "::/0"}]},
            "Conflicting value ethertype IPv4 for CIDR ::/0",
        ),
    ],
)
async def test_stacks_fail_with_the_words_of_the_service(
    demo: Any, provider: str, resource: str, changes: dict[str, Any], reason: str
) -> None:
    resources = balanced(octavia_provider=provider).base()["resources"]
    resources[resource]["properties"].update(changes)
    await demo.create("c", resources)
    shown = await demo.until("c", "CREATE_FAILED")
    assert reason in shown["stack_status_reason"]


async def test_heat_knows_the_algorithms(demo: Any) -> None:
    resources = balanced().base()["resources"]
    resources["api_pool"]["properties"]["lb_algorithm"] = "RANDOM"
    with pytest.raises(AssertionError, match=r"RANDOM.* is not an allowed value"):
        await demo.create("c", resources)


async def test_neutron_names_its_errors(demo: Any) -> None:
    network = (await demo.http.post(f"{V2}/networks", json={"network": {"name": "n"}})).json()["network"]
    group = (await demo.http.post(f"{V2}/security-groups", json={"security_group": {"name": "g"}})).json()
    rule = {"security_group_id": group["security_group"]["id"], "direction": "ingress", "protocol": "tcp"}
    rule |= {"port_range_min": 80, "port_range_max": 80, "remote_ip_prefix": "10.1.2.3/8"}
    assert (await demo.http.post(f"{V2}/security-group-rules", json={"security_group_rule": rule})).status_code == 201
    for kind, single, fields, status, error in (
        ("subnets", "subnet", {"network_id": network["id"], "cidr": "10.0.0.0/40"}, 400, "HTTPBadRequest"),
        (
            "ports",
            "port",
            {"network_id": network["id"], "allowed_address_pairs": [{"ip_address": "x"}]},
            400,
            "HTTPBadRequest",
        ),
        (
            "security-group-rules",
            "security_group_rule",
            rule | {"port_range_min": 90},
            400,
            "SecurityGroupInvalidPortRange",
        ),
        (
            "security-group-rules",
            "security_group_rule",
            rule | {"remote_ip_prefix": "10.0.0.0/8"},
            409,
            "SecurityGroupRuleExists",
        ),
    ):
        answer = await demo.http.post(f"{V2}/{kind}", json={single: fields})
        assert (answer.status_code, answer.json()["NeutronError"]["type"]) == (status, error)


async def test_nova_refuses_names_metadata_and_user_data(demo: Any) -> None:
    wanted = {"name": "a", "flavorRef": "2", "networks": "none"}
    for fields, text in (
        ({"name": "x" * 256}, "is too long"),
        ({"metadata": {"k": "v" * 256}}, "Invalid input for field/attribute k."),
        ({"user_data": "QUFB" * 16384}, "User data too large"),
        ({"availability_zone": "elsewhere"}, "The requested availability zone is not available"),
    ):
        answer = await demo.http.post("/compute/v2.1/servers", json={"server": wanted | fields})
        assert answer.status_code == 400, answer.text
        assert text in answer.json()["badRequest"]["message"]
