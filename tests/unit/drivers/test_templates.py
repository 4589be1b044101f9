"""The Heat templates, against files that a reviewer reads, and their variations.

Rule: a change of a template is a change of these files, so it is seen. `UPDATE_GOLDEN=1 pytest` on this file writes
them anew.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jeroboam.testing.cases import MODES, Case, make_case
from shared.drivers import checks
from tests.support.kubernetes import driver, engine, needs

GOLDEN = Path(__file__).parent / "golden"


def base(case: Case) -> dict[str, Any]:
    resources: dict[str, Any] = case.base()["resources"]
    return resources


def shard(case: Case, role: str = "worker") -> dict[str, Any]:
    resources: Any = case.shard(role)["resources"]
    return dict(resources)


def kinds(resources: dict[str, Any]) -> list[str]:
    return sorted(body["type"] for body in resources.values())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", ["base", "master", "worker"])
def test_templates_are_as_reviewed(mode: str, part: str) -> None:
    case = make_case(driver, mode, workers=2)
    template: Any = case.base() if part == "base" else case.shard(part)
    for body in template["resources"].values():
        if "user_data" in body["properties"]:
            body["properties"]["user_data"] = "USER DATA"
    text = json.dumps(template, indent=1, sort_keys=True) + "\n"
    path = GOLDEN / f"{mode}-{part}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_a_given_network_is_used_and_none_is_made() -> None:
    case = make_case(driver).with_cluster(
        fixed_network_id="net-1", fixed_subnet_id="sub-1", fixed_subnet_cidr="192.168.0.0/24"
    )
    assert not [kind for kind in kinds(base(case)) if kind.endswith(("Net", "Subnet", "Router", "RouterInterface"))]
    rules = base(case)["worker_security_group"]["properties"]["rules"]
    assert "192.168.0.0/24" in {rule["remote_ip_prefix"] for rule in rules}


def test_a_network_without_a_way_out_has_no_router() -> None:
    case = make_case(driver).with_cluster(external_network_id=None, floating_ip_enabled=True)
    assert not [kind for kind in kinds(base(case)) if "Router" in kind or "FloatingIP" in kind]


def test_floating_ips_are_given_as_asked() -> None:
    case = make_case(driver, "octavia").with_cluster(floating_ip_enabled=True)
    assert kinds(base(case)).count("OS::Neutron::FloatingIP") == 1
    assert kinds(shard(case)).count("OS::Neutron::FloatingIP") == 2
    private = case.with_labels(master_lb_floating_ip_enabled="false")
    assert "OS::Neutron::FloatingIP" not in kinds(base(private))
    assert needs(case)["floatingip"] == 1 + 5
    assert needs(private)["floatingip"] == 5


def test_the_single_masters_port_outlives_it() -> None:
    case = make_case(driver)
    server = shard(case, "master")["node-0"]["properties"]
    assert server["networks"] == [{"port": "id-of-api_port"}]
    assert "port-0" not in shard(case, "master")


def test_only_who_may_reaches_the_api() -> None:
    case = make_case(driver, "octavia").with_labels(master_lb_allowed_cidrs="198.51.100.0/24,203.0.113.0/24")
    listener = base(case)["api_listener"]["properties"]
    # The nodes, and pods whose addresses are not translated, reach the API through the same load balancer.
    assert listener["allowed_cidrs"] == ["198.51.100.0/24", "203.0.113.0/24", "10.0.0.0/20", "10.100.0.0/14"]
    twice = case.with_labels(master_lb_allowed_cidrs="203.0.113.0/24,203.0.113.0/24, 10.0.0.0/20")
    properties = base(twice)["api_listener"]["properties"]
    assert properties["allowed_cidrs"] == ["203.0.113.0/24", "10.0.0.0/20", "10.100.0.0/14"]
    everyone = case.with_labels(master_lb_allowed_cidrs="203.0.113.0/24,0.0.0.0/0")
    assert "allowed_cidrs" not in base(everyone)["api_listener"]["properties"]
    ovn = case.with_labels(master_lb_allowed_cidrs="203.0.113.0/24", octavia_provider="ovn")
    assert "allowed_cidrs" not in base(ovn)["api_listener"]["properties"], "OVN refuses it; the security group stays"
    rules = base(ovn)["master_security_group"]["properties"]["rules"]
    assert [rule["remote_ip_prefix"] for rule in rules if rule.get("port_range_min") == 6443] == ["203.0.113.0/24"]
    rules = base(case)["master_security_group"]["properties"]["rules"]
    assert {rule["remote_ip_prefix"] for rule in rules if rule.get("port_range_min") == 6443} == {
        "198.51.100.0/24",
        "203.0.113.0/24",
    }


def monitor(case: Case) -> dict[str, Any]:
    properties: dict[str, Any] = base(case)["api_monitor"]["properties"]
    return properties


def test_only_a_master_that_is_ready_gets_requests() -> None:
    case = make_case(driver, "octavia")
    found = monitor(case)
    assert (found["type"], found["http_method"], found["url_path"], found["expected_codes"]) == (
        "HTTPS",
        "GET",
        "/readyz",
        "200",
    )
    assert found["delay"] >= found["timeout"], "Octavia refuses anything else"
    assert monitor(case.with_labels(kubeapi_options="--anonymous-auth=true --v=2")) == found
    assert "api_monitor" not in base(case.with_labels(octavia_lb_healthcheck="false"))


@pytest.mark.parametrize(
    "labels",
    [
        {"octavia_provider": "ovn"},
        {"kubeapi_options": "--anonymous-auth=false"},
        {"kubeapi_options": "--v=2 --anonymous-auth False"},
        {"kubeapi_options": "--authorization-mode=Node,Webhook"},
        {"kubeapi_options": "--authentication-config=/etc/kubernetes/who.yaml"},
    ],
    ids=str,
)
def test_where_readiness_cannot_be_asked_a_connection_is_enough(labels: dict[str, str]) -> None:
    found = monitor(make_case(driver, "octavia").with_labels(**labels))
    assert found["type"] == "TCP"
    assert not {"http_method", "url_path", "expected_codes"} & found.keys()


def test_nodes_are_spread_and_boot_as_asked() -> None:
    case = make_case(driver, workers=3).with_labels(availability_zone="a,b")
    zones = [shard(case)[f"node-{index}"]["properties"]["availability_zone"] for index in range(3)]
    assert zones == ["a", "b", "a"]
    volume = make_case(driver).with_labels(boot_volume_size="30", boot_volume_type="fast")
    server = shard(volume)["node-0"]["properties"]
    assert "image" not in server
    assert server["block_device_mapping_v2"][0]["volume_size"] == 30
    assert server["block_device_mapping_v2"][0]["volume_type"] == "fast"


def test_a_volume_for_containers_is_attached_to_its_node() -> None:
    case = make_case(driver)
    case = replace(case, workers=replace(case.workers, docker_volume_size=40))
    found = shard(case)
    assert found["volume-1"]["properties"]["size"] == 40
    attachment = found["attachment-1"]["properties"]
    assert attachment["instance_uuid"] == {"get_resource": "node-1"}
    assert attachment["volume_id"] == {"get_resource": "volume-1"}
    assert "volume-0" not in shard(case, "master")


def test_each_master_has_a_volume_for_etcd() -> None:
    case = make_case(driver, "octavia").with_labels(etcd_volume_size="8", etcd_volume_type="ssd")
    found = shard(case, "master")
    for index in range(3):
        volume = found[f"etcd_volume-{index}"]["properties"]
        assert volume == {"name": f"k8s-master-{index}-etcd", "size": 8, "volume_type": "ssd"}
        attachment = found[f"etcd_attachment-{index}"]["properties"]
        assert attachment == {
            "instance_uuid": {"get_resource": f"node-{index}"},
            "volume_id": {"get_resource": f"etcd_volume-{index}"},
        }
    assert not [name for name in shard(case) if "volume" in name]
    own = replace(case, masters=replace(case.masters, labels={"etcd_volume_size": "0"}))
    assert not [name for name in shard(own, "master") if "volume" in name], "a nodegroup may have it otherwise"


def test_volumes_of_one_size_cannot_be_told_apart() -> None:
    case = make_case(driver, "octavia").with_labels(etcd_volume_size="8")
    groups = [replace(case.masters, docker_volume_size=8), replace(case.workers, docker_volume_size=8)]
    (found,) = checks.problems(engine, case.cluster, groups)
    assert found.startswith("label etcd_volume_size: 8 is also the docker_volume_size of nodegroup default-master;")
    assert checks.problems(engine, case.cluster, [case.masters, groups[1]]) == []


def test_user_data_never_rebuilds_a_node() -> None:
    for role in ("master", "worker"):
        for name, body in shard(make_case(driver, "vip"), role).items():
            if name.startswith("node-"):
                assert body["properties"]["user_data_update_policy"] == "IGNORE"


def test_needs_count_what_the_base_stack_takes() -> None:
    for mode in MODES:
        case = make_case(driver, mode)
        made, counted = kinds(base(case)), needs(case)
        for quota, kind in (("network", "Net"), ("subnet", "Subnet"), ("router", "Router")):
            assert counted.get(quota, 0) == made.count(f"OS::Neutron::{kind}")
        assert counted["security_group"] == made.count("OS::Neutron::SecurityGroup")
        rules = sum(
            len(body["properties"]["rules"])
            for body in base(case).values()
            if body["type"] == "OS::Neutron::SecurityGroup"
        )
        # Neutron adds two of its own to every group.
        assert counted["security_group_rule"] == rules + 2 * counted["security_group"]


def test_a_load_balancers_role_is_asked_for_only_where_there_is_one() -> None:
    octavia, port = make_case(driver, "octavia"), make_case(driver)
    assert engine.credential_roles(octavia.cluster) == ("member", "load-balancer_member")
    assert engine.credential_roles(port.cluster) == ("member",)
    none = port.with_labels(cloud_provider_enabled="false")
    assert engine.credential_roles(none.cluster) == ()
