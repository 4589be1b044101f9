"""What bare metal refuses and leaves out, and how it is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jeroboam.driver import MASTER, WORKER, NodegroupSpec
from jeroboam.testing.cases import Case, make_case
from services.api.preflight.judge import Found, flavor_problems, hardware_problems
from shared.cloud.types import Flavor
from shared.drivers import checks
from shared.drivers.registry import get_driver, get_hardware

METAL = get_driver("swarm", "ubuntu", "bare-metal")
WHOLE = {"resources:CUSTOM_BM": "1", "resources:VCPU": "0", "resources:MEMORY_MB": "0", "resources:DISK_GB": "0"}


def problems(case: Case, group: NodegroupSpec) -> list[str]:
    return checks.problems(case.engine, case.cluster, [case.masters, group])


def test_its_name_and_what_it_runs() -> None:
    assert METAL.name == "swarm-ubuntu-bare-metal"
    assert get_driver("kubernetes", "ubuntu", "bare-metal").name == "kubernetes-ubuntu-bare-metal"


@pytest.mark.parametrize("octavia", [True, False])
def test_servers_have_a_config_drive_and_nothing_they_cannot_have(octavia: bool) -> None:
    case = make_case(METAL, "octavia" if octavia else "vip").with_cluster(floating_ip_enabled=True)
    masters, workers = case.shard(MASTER)["resources"], case.shard(WORKER)["resources"]
    servers = [body["properties"] for body in (*masters.values(), *workers.values()) if "Server" in body["type"]]
    assert {server["config_drive"] for server in servers} == {True}
    assert not any("scheduler_hints" in server for server in servers)
    assert not any("FloatingIP" in body["type"] or "Volume" in body["type"] for body in workers.values())


def test_volumes_are_refused_by_field() -> None:
    case = make_case(METAL)
    volume = replace(case.workers, docker_volume_size=10)
    assert [text.partition(":")[0] for text in problems(case, volume)] == ["docker_volume_size"]
    booting = case.with_labels(boot_volume_size="20")
    assert any(text.startswith("label boot_volume_size: ") for text in problems(booting, booting.workers))
    own = replace(booting.workers, labels={"boot_volume_size": "0"})
    vms = replace(booting.masters, hardware="vm")
    assert checks.problems(booting.engine, booting.cluster, [vms, own]) == [], "a group may have it otherwise"


def test_so_is_a_volume_of_the_engine() -> None:
    case = make_case(get_driver("kubernetes", "ubuntu", "bare-metal")).with_labels(etcd_volume_size="8")
    (found,) = problems(case, case.workers)
    assert found.startswith(
        "label etcd_volume_size: no volumes can be attached to the bare-metal machines of nodegroup"
    )
    masters = replace(case.masters, labels={"etcd_volume_size": "0"})
    assert checks.problems(case.engine, case.cluster, [masters, case.workers]) == []
    masters = replace(case.masters, hardware="vm")
    assert checks.problems(case.engine, case.cluster, [masters, case.workers]) == []


def test_an_existing_network_is_needed() -> None:
    case = make_case(METAL).with_cluster(fixed_network_id=None, fixed_subnet_id=None, fixed_subnet_cidr=None)
    found = problems(case, case.workers)
    assert [text.partition(":")[0] for text in found] == ["fixed_network", "fixed_network"]
    assert "default-worker" in found[1]


@pytest.mark.parametrize(("masters", "workers", "expected"), [("vm", "bare-metal", 1), ("bare-metal", "vm", 3)])
def test_floating_ips_of_a_mixed_cluster_are_counted(masters: str, workers: str, expected: int) -> None:
    case = make_case(METAL).with_cluster(floating_ip_enabled=True)
    groups = [replace(case.masters, hardware=masters), replace(case.workers, hardware=workers)]
    made = {kind: get_hardware(kind) for kind in ("vm", "bare-metal")}
    public = sum(group.node_count for group in groups if made[group.hardware].floating_ips and group.role == WORKER)
    assert checks.needs(case.engine, case.cluster, groups)["floatingip"] == 1 + public == expected


@pytest.mark.parametrize(
    ("specs", "found"),
    [
        (WHOLE, "CUSTOM_BM"),
        ({**WHOLE, "trait:CUSTOM_GPU": "required"}, "CUSTOM_BM"),
        ({"resources:CUSTOM_BM": "1"}, None),
        ({**WHOLE, "resources:CUSTOM_OTHER": "1"}, None),
        ({**WHOLE, "resources:CUSTOM_BM": "2"}, None),
        ({"hw:cpu_policy": "dedicated"}, None),
        (None, None),
    ],
)
def test_a_flavor_of_bare_metal_is_recognised(specs: dict[str, str] | None, found: str | None) -> None:
    assert Flavor("f", "f", 1, 1, 1, specs).resource_class == found


@pytest.mark.parametrize(
    ("hardware", "specs", "words"),
    [
        ("vm", WHOLE, ["Flavor f is one of bare metal, it asks for CUSTOM_BM: server type vm cannot use it."]),
        ("bare-metal", {}, ["Flavor f is one of virtual machines: server type bm needs one that asks for a custom "]),
        ("vm", {}, []),
        ("bare-metal", WHOLE, []),
        ("vm", None, []),
        ("bare-metal", None, []),
    ],
)
def test_flavor_and_hardware_fit(hardware: str, specs: dict[str, str] | None, words: list[str]) -> None:
    found = Found(flavors={"f": Flavor("f", "f", 1, 1, 1, specs)})
    texts = [problem.text for problem in hardware_problems("f", get_hardware(hardware), found)]
    assert len(texts) == len(words) and all(text.startswith(word) for text, word in zip(texts, words, strict=True))


def test_a_machine_needs_no_size_of_its_disk() -> None:
    assert flavor_problems(["f"], Found(flavors={"f": Flavor("f", "f", 1, 1, 0, WHOLE)}), False) == []
