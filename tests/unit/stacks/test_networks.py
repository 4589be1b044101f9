"""The shapes of networks, for every engine: created or given, routed or not, with and without port security."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from jeroboam.driver import MASTER, WORKER
from jeroboam.testing.cases import MODES, Case, make_case
from shared.drivers import checks
from shared.drivers.dcos import engine as dcos
from shared.drivers.driver import Driver
from shared.drivers.registry import get_driver, get_hardware, get_operating_system
from tests.support.kubernetes import driver as kubernetes

DRIVERS = {
    "kubernetes": kubernetes,
    "swarm": get_driver("swarm", "ubuntu", "vm"),
    "mesos": get_driver("mesos", "ubuntu", "vm"),
    "dcos": Driver(dcos, get_operating_system("centos"), get_hardware("vm")),
}
# As CERN runs: an existing provider network whose addresses everybody reaches.
FLAT = {
    "fixed_network_id": "id-of-flat",
    "fixed_subnet_id": "id-of-subnet",
    "fixed_subnet_cidr": "188.184.0.0/16",
    "external_network_id": None,
    "floating_ip_enabled": False,
}
OPEN = {**FLAT, "port_security": False}
MADE = ("Net", "Subnet", "Router", "RouterInterface", "FloatingIP")


def case(engine: str, mode: str, fields: dict[str, Any]) -> Case:
    return make_case(DRIVERS[engine], mode).with_cluster(**fields)


def resources(case: Case) -> dict[str, dict[str, Any]]:
    """The resources of all of a cluster's stacks, by stack and name."""
    stacks = {"base": case.base(), "masters": case.shard(MASTER), "workers": case.shard(WORKER)}
    return {f"{name}.{key}": body for name, stack in stacks.items() for key, body in stack["resources"].items()}


def kinds(case: Case) -> Counter[str]:
    return Counter(body["type"].rpartition("::")[2] for body in resources(case).values())


def ports(case: Case) -> list[dict[str, Any]]:
    return [body["properties"] for body in resources(case).values() if body["type"] == "OS::Neutron::Port"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", DRIVERS)
@pytest.mark.parametrize("fields", [FLAT, OPEN], ids=["guarded", "open"])
def test_nothing_is_made_on_a_flat_network_but_ports(engine: str, mode: str, fields: dict[str, Any]) -> None:
    sample = case(engine, mode, fields)
    assert checks.problems(sample.engine, sample.cluster, sample.groups) == []
    found = kinds(sample)
    assert not [kind for kind in MADE if found[kind]]
    assert found["LoadBalancer"] == (1 if mode == "octavia" else 0)
    assert {port["network"] for port in ports(sample)} == {"id-of-flat"}
    assert {str(port["fixed_ips"]) for port in ports(sample)} == {"[{'subnet': 'id-of-subnet'}]"}
    outputs = sample.base()["outputs"]
    assert outputs["api_address"] == outputs["api_private_address"], "addresses of the network are reached by all"
    needs = checks.needs(sample.engine, sample.cluster, sample.groups)
    assert not any(needs.get(name) for name in ("floatingip", "router", "network", "subnet"))
    assert bool(needs.get("security_group")) is sample.cluster.port_security


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", DRIVERS)
def test_ports_without_port_security_have_neither_groups_nor_pairs(engine: str, mode: str) -> None:
    sample = case(engine, mode, OPEN)
    assert ports(sample)
    assert not any({"security_groups", "allowed_address_pairs"} & port.keys() for port in ports(sample))
    assert kinds(sample)["SecurityGroup"] == 0
    assert "security_group" not in json.dumps(list(resources(sample).values()))
    guarded = case(engine, mode, FLAT)
    assert all(port["security_groups"] for port in ports(guarded))


@pytest.mark.parametrize("engine", DRIVERS)
def test_who_may_call_the_api_cannot_be_restricted_there_without_a_load_balancer(engine: str) -> None:
    for mode in MODES:
        sample = case(engine, mode, OPEN).with_labels(master_lb_allowed_cidrs="188.184.0.0/16")
        found = checks.problems(sample.engine, sample.cluster, sample.groups)
        if mode == "octavia":
            assert found == []
        else:
            assert [text.partition(": ")[0] for text in found] == ["label master_lb_allowed_cidrs"]


@pytest.mark.parametrize("engine", DRIVERS)
def test_a_private_network_has_a_router_and_nodes_need_no_floating_ip(engine: str) -> None:
    sample = case(engine, "octavia", {"floating_ip_enabled": False})
    found = kinds(sample)
    assert [found[kind] for kind in MADE] == [1, 1, 1, 1, 0]
    public = sample.with_labels(master_lb_floating_ip_enabled="true")
    assert kinds(public)["FloatingIP"] == 1, "of the API alone"
    assert kinds(sample.with_cluster(floating_ip_enabled=True))["FloatingIP"] == 1 + len(
        [node for node in sample.nodes if node.role in (MASTER, WORKER)]
    )


@pytest.mark.parametrize("engine", DRIVERS)
def test_a_given_network_that_is_routed_can_have_floating_ips(engine: str) -> None:
    fields = {**FLAT, "external_network_id": "id-of-public", "floating_ip_enabled": True}
    found = kinds(case(engine, "port", fields))
    assert [found[kind] for kind in MADE] == [0, 0, 0, 0, 3], "of the API, which the master has, and two workers"


@pytest.mark.parametrize("engine", DRIVERS)
def test_a_floating_ip_of_the_api_needs_a_network_to_take_it_from(engine: str) -> None:
    sample = case(engine, "octavia", FLAT).with_labels(master_lb_floating_ip_enabled="true")
    found = checks.problems(sample.engine, sample.cluster, sample.groups)
    assert found == ["label master_lb_floating_ip_enabled: there is no external network from which it could be taken"]
