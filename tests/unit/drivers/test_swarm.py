"""The Swarm engine: labels, placement, who joins when, and what managers are asked to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from jeroboam.driver import MASTER, REMOVING, WORKER, Access, Bootstrap, NodeSpec, NotYet
from jeroboam.testing.cases import NOW, Case, make_case
from shared.drivers.registry import find_driver, get_driver
from shared.drivers.swarm import engine

driver = get_driver("swarm", "ubuntu", "vm")


def case(mode: str = "octavia") -> Case:
    return make_case(driver, mode)


def files(found: Bootstrap | NotYet) -> dict[str, str]:
    assert isinstance(found, Bootstrap), found
    return {file["path"]: file["content"] for file in found.files}


def bootstrap(case: Case, node: NodeSpec) -> Bootstrap | NotYet:
    return engine.bootstrap(case.context(node))


def of_role(nodes: Any, role: str) -> list[NodeSpec]:
    return [node for node in nodes if node.role == role]


@pytest.mark.parametrize("coe", ["swarm", "swarm-mode"])
def test_both_names_of_magnum_are_taken(coe: str) -> None:
    assert find_driver(coe, "ubuntu", "vm") == driver


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({"docker_version": "29"}, "docker_version"),
        ({"docker_version": "19.03.1"}, "at least 20.10.0"),
        ({"docker_version": "latest\n"}, "docker_version"),
        ({"swarm_address_pool": "10.0.0.0/9"}, "overlaps the node network"),
        ({"swarm_address_pool": "10.100.0.0/28"}, "no network of size /24"),
        ({"manager_availability": "busy"}, "manager_availability"),
        ({"published_ports": "0"}, "published_ports"),
        ({"published_ports": "90-80"}, "published_ports"),
        ({"docker_volume_plugins": "cvmfs"}, "alias=image"),
        ({"docker_volume_plugins": "cvmfs=A b"}, "alias=image"),
        ({"docker_volume_plugins": "../x=a/b"}, "alias=image"),
        ({"docker_volume_plugins": "a=x/y a=x/z"}, "each alias once"),
        ({"registry_mirrors": "mirror"}, "registry_mirrors"),
        ({"container_network_mtu": "100"}, "container_network_mtu"),
    ],
)
def test_labels_that_cannot_work(labels: dict[str, str], named: str) -> None:
    cluster = case().with_labels(**labels).cluster
    found = engine.problems(cluster, case().groups)
    assert found and named in " ".join(found)


def test_all_that_is_wrong_is_said_at_once() -> None:
    cluster = case().with_labels(docker_version="1", published_ports="x", task_history_limit="-1").cluster
    assert len(engine.problems(cluster, case().groups)) == 3


@pytest.mark.parametrize("port", [2377, 7946, 4789])
def test_the_api_cannot_have_a_port_of_the_engine(port: int) -> None:
    cluster = replace(case().cluster, apiserver_port=port)
    assert f"apiserver_port: {port} is used by Docker" in engine.problems(cluster, case().groups)[0]


def test_a_volume_driver_needs_its_plugin() -> None:
    plain = replace(case().cluster, volume_driver="cvmfs")
    assert "docker_volume_plugins" in engine.problems(plain, case().groups)[0]
    given = replace(plain, labels={**plain.labels, "docker_volume_plugins": "cvmfs=registry.example.org/cvmfs:1.0"})
    assert engine.problems(given, case().groups) == []


@pytest.mark.parametrize(("count", "taken"), [(1, True), (2, False), (3, True), (7, True), (9, False)])
def test_numbers_of_managers(count: int, taken: bool) -> None:
    assert (engine.master_count_problem(count) is None) is taken


@pytest.mark.parametrize(
    ("labels", "taints", "field"),
    [
        ({"a": "b"}, [], "node_labels"),
        ({"data science": "x"}, [], "node_labels"),
        ({"disk": "a b"}, [], "node_labels"),
        ({"com.docker.x": "y"}, [], "node_labels"),
        ({"io.jeroboam.node": "y"}, [], "node_labels"),
        ({"--label": "y"}, [], "node_labels"),
        ({}, [{"key": "a", "effect": "PreferNoSchedule"}], "node_taints"),
        ({}, [{"effect": "NoSchedule"}], "node_taints"),
        ({"disk": "ssd"}, [{"key": "full", "value": "yes", "effect": "NoExecute"}], None),
    ],
)
def test_node_labels_and_taints(labels: dict[str, str], taints: list[dict[str, str]], field: str | None) -> None:
    found = engine.node_label_problems(labels, taints)
    assert [problem.field for problem in found] == ([] if field is None else [field])


def test_who_joins_when() -> None:
    fresh = case()
    managers, workers = of_role(fresh.nodes, MASTER), of_role(fresh.nodes, WORKER)
    assert isinstance(bootstrap(fresh, managers[0]), Bootstrap)
    assert isinstance(bootstrap(fresh, managers[1]), NotYet) and isinstance(bootstrap(fresh, workers[0]), NotYet)
    founded = fresh.joined(0)
    assert files(bootstrap(founded, workers[0]))["/etc/jeroboam/join-token"].startswith("worker_token-of")
    assert files(bootstrap(founded, managers[1]))["/etc/jeroboam/join-token"].startswith("manager_token-of")
    waiting = bootstrap(founded, managers[2])
    assert isinstance(waiting, NotYet) and "one at a time" in waiting.reason


def test_nodes_wait_for_the_tokens() -> None:
    founded = replace(case().joined(0), facts={})
    waiting = bootstrap(founded, of_role(founded.nodes, WORKER)[0])
    assert isinstance(waiting, NotYet) and "join token" in waiting.reason


def test_a_manager_that_leaves_is_not_waited_for_and_its_token_counts() -> None:
    whole = case().joined(0, 1, 2)
    managers = of_role(whole.nodes, MASTER)
    nodes = [replace(node, state=REMOVING) if node == managers[0] else node for node in whole.nodes]
    new = replace(managers[0], uuid="0000-new", index=9, state="announced", name="new")
    # The order of facts is that of the reports: the leaving manager has replaced the tokens last.
    facts: Mapping[str, Mapping[str, str]] = {
        managers[1].uuid: {"manager_token": "old"},
        managers[0].uuid: {"manager_token": "newest"},
    }
    changed = replace(whole, nodes=[*nodes, new], facts=facts)
    assert files(bootstrap(changed, new))["/etc/jeroboam/join-token"] == "newest"


def test_only_managers_serve_the_api_and_have_a_certificate() -> None:
    whole = case().all_joined()
    manager, worker = of_role(whole.nodes, MASTER)[0], of_role(whole.nodes, WORKER)[0]
    configs = [json.loads(files(bootstrap(whole, node))["/etc/jeroboam/daemon.json"]) for node in (manager, worker)]
    assert [len(config["hosts"]) for config in configs] == [2, 1]
    assert configs[0]["tlsverify"] is True and configs[0]["hosts"][1] == "tcp://0.0.0.0:2376"
    assert configs[0]["labels"][0] == f"io.jeroboam.node={manager.uuid}"
    certificate = engine.node_certificate(whole.cluster, manager)
    assert certificate is not None
    assert (certificate.client, certificate.server, certificate.endpoint) == (False, True, True)
    assert engine.node_certificate(whole.cluster, worker) is None


def test_texts_of_users_stay_inside_the_configuration() -> None:
    cluster = replace(
        case().cluster, http_proxy='http://p:1/"\nx', insecure_registry="../../etc/x", no_proxy='a.org,b"\nEvil=1'
    )
    whole = replace(case().joined(0), cluster=cluster)
    written = files(bootstrap(whole, of_role(whole.nodes, WORKER)[0]))
    assert "insecure-registries" not in json.loads(written["/etc/jeroboam/daemon.json"])
    unit = written["/etc/systemd/system/docker.service.d/proxy.conf"]
    assert len(unit.splitlines()) == 3 and "Evil" not in unit


def test_drain_and_removal() -> None:
    whole = case().all_joined()
    managers, workers = of_role(whole.nodes, MASTER), of_role(whole.nodes, WORKER)
    found = engine.drain(whole.cluster, [managers[0], workers[0]], whole.nodes, seconds=9)
    by_required = {removal.required: removal for removal in found.removals}
    assert by_required[True].nodes == (managers[0].uuid,)
    assert by_required[False].action.args["nodes"] == f"{workers[0].uuid}/{workers[0].name}"
    assert managers[0].uuid not in {removal.action.node_id for removal in found.removals}


def test_settling_labels_nodes_and_replaces_tokens() -> None:
    whole = case().all_joined()
    labelled = [replace(group, node_labels={"disk": "ssd"}) for group in whole.groups if group.role == WORKER]
    commands = engine.settling(whole.cluster, labelled, whole.nodes)
    assert [action.command for action in commands] == ["label-nodes", "settle"]
    assert commands[0].args["labels"] == "disk=ssd"
    assert set(str(commands[1].args["nodes"]).split()) == {node.uuid for node in whole.nodes}
    shared = case("vip").all_joined()
    again = [
        action.args for action in engine.settling(shared.cluster, [], shared.nodes) if action.command == "bootstrap"
    ]
    assert again == [{"part": "address"}] * len(of_role(shared.nodes, MASTER))


def test_the_leader_is_upgraded_last() -> None:
    managers = of_role(case().all_joined().nodes, MASTER)
    facts = {managers[0].uuid: {"leader": "yes"}, managers[1].uuid: {"leader": "no"}}
    assert list(engine.rolling_order(managers, facts)) == [managers[1].uuid, managers[2].uuid, managers[0].uuid]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("28.5.1", "29.1.3", None),
        ("29.1.3", "29.1.3", None),
        (None, "29.1.3", None),
        ("29.1.3", "28.5.1", "older"),
        ("28.5.1", None, "does not name the version"),
        ("28.5.1", "new", "docker_version"),
    ],
)
def test_versions(old: str | None, new: str | None, why: str | None) -> None:
    start = case().with_labels(**({"docker_version": old} if old else {})).cluster
    found = engine.upgrade_problems(start, {"docker_version": new} if new else {})
    assert found == [] if why is None else why in found[0]


def test_a_configuration_is_for_those_who_may_change_the_cluster() -> None:
    whole = case()

    def config(access: Access) -> Any:
        return engine.client_config(
            whole.cluster,
            api_address="tcp://203.0.113.7:2376",
            secrets=whole.secrets,
            user="somebody",
            access=access,
            now=NOW,
            lifetime=timedelta(hours=1),
        )

    made = config(Access.ADMIN)
    assert made.environment["DOCKER_HOST"] == "tcp://203.0.113.7:2376"
    client = x509.load_pem_x509_certificate(made.files["cert.pem"].encode())
    client.verify_directly_issued_by(x509.load_pem_x509_certificate(made.files["ca.pem"].encode()))
    with pytest.raises(ValueError, match="no read-only access"):
        config(Access.VIEWER)
