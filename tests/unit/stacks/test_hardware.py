"""What the hardware cannot have is left out of the templates, for any engine; kinds mix in one cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from jeroboam.driver import MASTER, WORKER, ClusterSpec, Hardware, HardwareDefaults, Infrastructure, NodegroupSpec, Rule
from jeroboam.testing.cases import Case, make_case
from shared.drivers.driver import Driver
from shared.drivers.kubernetes.kubernetes_engine import KubernetesEngine
from shared.drivers.ubuntu import operating_system
from shared.drivers.vm import hardware as vm
from shared.stacks import quotas
from tests.support.kubernetes import driver


@dataclass(eq=False)
class Rack(HardwareDefaults):
    """Machines with nothing but a network."""

    name: str = "rack"
    server_types: Sequence[str] = ("bm",)
    floating_ips: bool = False
    volumes: bool = False
    server_groups: bool = False
    config_drive: bool = True
    vnic_type: str | None = "baremetal"
    join_timeout_minutes: int | None = 90

    def problems(self, cluster: ClusterSpec, nodegroup: NodegroupSpec) -> list[str]:
        return []


RACK: Hardware = Rack()


def resources(case: Case, role: str = WORKER) -> dict[str, Any]:
    return dict(case.shard(role)["resources"])


def racked(case: Case) -> Case:
    return replace(case, driver=Driver(case.engine, operating_system, RACK))


def test_a_rack_gets_a_port_and_a_server_and_nothing_else() -> None:
    case = make_case(driver, "vip").with_cluster(floating_ip_enabled=True)
    case = replace(case, workers=replace(case.workers, docker_volume_size=40)).with_labels(boot_volume_size="20")
    kinds = {body["type"].rpartition("::")[2] for body in resources(case).values()}
    assert kinds == {"Port", "Server", "FloatingIP", "Volume", "VolumeAttachment"}
    plain = racked(case)
    assert {body["type"].rpartition("::")[2] for body in resources(plain).values()} == {"Port", "Server"}
    server, port = (resources(plain)[f"{kind}-0"]["properties"] for kind in ("node", "port"))
    assert (server["config_drive"], server["image"], port["binding:vnic_type"]) == (True, "ubuntu", "baremetal")
    assert "block_device_mapping_v2" not in server
    assert plain.shard(WORKER)["outputs"]["node-0"]["value"]["floating_ip"] is None
    master = resources(plain, MASTER)["node-0"]["properties"]
    assert "scheduler_hints" not in master
    assert "scheduler_hints" in resources(case, MASTER)["node-0"]["properties"]


def test_floating_ips_are_counted_where_the_hardware_has_them() -> None:
    case = make_case(driver, "octavia", workers=4).with_cluster(floating_ip_enabled=True)

    def counted(racks: str) -> int:
        return quotas.needs(case.engine, case.cluster, case.groups, lambda group: RACK if group.role == racks else vm)[
            "floatingip"
        ]

    assert (counted("none"), counted(WORKER), counted(MASTER)) == (1 + 3 + 4, 1 + 3, 1 + 4)


class TwoPorts(KubernetesEngine):
    """An engine whose clients need two ports of the masters, and with a role of its own."""

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        return Infrastructure([5050, 8080], {MASTER: [], WORKER: [], "public": [Rule("tcp", "0.0.0.0/0", 80, 443)]})


@pytest.fixture
def two_ports() -> Case:
    return make_case(Driver(TwoPorts(), operating_system, vm), "octavia")


def test_every_port_of_the_endpoint_is_balanced_and_open(two_ports: Case) -> None:
    base = two_ports.base()["resources"]
    listeners = {name: body["properties"]["protocol_port"] for name, body in base.items() if "listener" in name}
    assert listeners == {"api_listener": 5050, "api_listener_8080": 8080}
    rules = base["master_security_group"]["properties"]["rules"]
    assert {5050, 8080} <= {rule.get("port_range_min") for rule in rules}
    members = {name: body for name, body in resources(two_ports, MASTER).items() if name.startswith("member")}
    assert set(members) == {f"member{end}-{index}" for end in ("", "_8080") for index in range(3)}
    assert members["member_8080-1"]["properties"]["protocol_port"] == 8080


def test_a_role_has_the_security_group_declared_for_it_or_that_of_workers(two_ports: Case) -> None:
    assert "public_security_group" in two_ports.base()["outputs"]
    node = replace(two_ports.nodes[-1], role="public")
    group = replace(two_ports.workers, role="public")
    data = {node.uuid: "x"}
    for role, expected in (("public", "id-of-public_security_group"), ("gpu", "id-of-worker_security_group")):
        shard = two_ports.driver.shard_stack(
            two_ports.cluster, group, [replace(node, role=role)], data, two_ports.outputs()
        )
        assert shard["resources"][f"port-{node.index}"]["properties"]["security_groups"] == [expected]
