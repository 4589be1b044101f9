"""The DC/OS engine: labels, who joins when, what the installer is generated from, and what users get."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from jeroboam.driver import BOOTSTRAP, MASTER, WORKER, Access, Bootstrap, Capability, NodegroupSpec, NodeSpec, NotYet
from jeroboam.testing.cases import NOW, Case, make_case
from shared.drivers.centos import operating_system
from shared.drivers.dcos import engine
from shared.drivers.discovery import Choice, DriverState, discover
from shared.drivers.driver import Driver
from shared.drivers.registry import get_hardware, installed_entries

driver = Driver(engine, operating_system, get_hardware("vm"))
URL = "https://mirror.example.org/dcos/2.2.3/dcos_generate_config.sh"


def case(mode: str = "octavia") -> Case:
    return make_case(driver, mode)


def node_of(case: Case, role: str) -> NodeSpec:
    return next(node for node in case.nodes if node.role == role)


def place_of(case: Case, role: str) -> int:
    return next(place for place, node in enumerate(case.nodes) if node.role == role)


def bootstrap(case: Case, node: NodeSpec) -> Bootstrap:
    found = engine.bootstrap(case.context(node))
    assert isinstance(found, Bootstrap), found
    return found


def file(case: Case, node: NodeSpec, path: str) -> str:
    return next(each["content"] for each in bootstrap(case, node).files if each["path"] == path)


def test_it_is_used_only_where_a_setting_names_it() -> None:
    def state(choice: Choice) -> DriverState:
        return next(each.state for each in discover(installed_entries(), choice) if each.name == "dcos")

    assert state(Choice()) is DriverState.BETA
    assert state(Choice(enabled_beta=["dcos"])) is DriverState.ENABLED
    assert state(Choice(enabled_beta=["dcos-centos"])) is DriverState.ENABLED


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({"dcos_generate_config_url": ""}, "label dcos_generate_config_url: DC/OS clusters need it"),
        ({"dcos_generate_config_url": "file:///x"}, "label dcos_generate_config_url: must be a URL"),
        ({"dcos_generate_config_sha256": "abc"}, "label dcos_generate_config_sha256: must be the 64"),
        ({"dcos_nginx_image": "a b"}, "label dcos_nginx_image: must be a container image"),
        ({"exhibitor_storage_backend": "aws_s3"}, "label exhibitor_storage_backend"),
        ({"master_discovery": "master_http_loadbalancer"}, "label master_discovery"),
        ({"dcos_overlay_mtu": "9001"}, "label dcos_overlay_mtu"),
        ({"published_ports": "90-80"}, "label published_ports"),
    ],
)
def test_labels_that_cannot_work(labels: dict[str, str], named: str) -> None:
    found = engine.problems(case().with_labels(**labels).cluster, case().groups)
    assert found and found[0].startswith(named)


def test_what_would_destroy_or_never_work_is_refused() -> None:
    assert "listens on 443" in engine.problems(case().with_cluster(apiserver_port=8080).cluster, case().groups)[0]
    two = [*case().groups[:2], replace(case().others[0], node_count=2)]
    assert "has one machine" in engine.problems(case().cluster, two)[0]
    assert not engine.resizes_masters and Capability.UPGRADE not in engine.capabilities
    assert [engine.master_count_problem(count) is None for count in (1, 2, 3, 9, 11)] == [
        True,
        False,
        True,
        True,
        False,
    ]
    assert engine.label_change_problems(case().cluster, {**case().cluster.labels, "oauth_enabled": "false"})


def test_the_order_in_which_machines_join() -> None:
    start = case()
    place = place_of(start, BOOTSTRAP)
    assert engine.founder(start.nodes) == start.nodes[place]
    bootstrap(start, start.nodes[place])
    for role in (MASTER, WORKER):
        assert engine.bootstrap(start.context(node_of(start, role))) == NotYet("waiting for the bootstrap machine", 5)
    served = start.joined(place)
    assert engine.founder(served.nodes) is None
    bootstrap(served, node_of(served, MASTER))
    assert engine.bootstrap(served.context(node_of(served, WORKER))) == NotYet("waiting for a master", 3)
    bootstrap(served.joined(place, 0), node_of(served, WORKER))
    nodes = [replace(node, ip_address=None) if node.index == 1 and node.is_master else node for node in start.nodes]
    waiting = engine.bootstrap(start.with_nodes(nodes).context(start.nodes[place]))
    assert isinstance(waiting, NotYet) and "waiting for the addresses of" in waiting.reason


def test_the_configuration_has_documented_parameters_as_texts() -> None:
    made = case().with_cluster(http_proxy="http://proxy.example.org:3128", no_proxy=".example.org")
    made = made.with_labels(dns_search="example.org", oauth_enabled="false", gc_delay="3")
    machine = node_of(made, BOOTSTRAP)
    config = json.loads(file(made, machine, "/etc/jeroboam/genconf/config.yaml"))
    assert config == {
        "bootstrap_url": f"http://{machine.ip_address}:80",
        "cluster_name": "Team A's k8s",
        "exhibitor_storage_backend": "static",
        "master_discovery": "static",
        "master_list": ["10.0.0.10", "10.0.0.11", "10.0.0.12"],
        "ip_detect_public_filename": "genconf/ip-detect-public",
        "oauth_enabled": "false",
        "telemetry_enabled": "false",
        "check_time": "true",
        "enable_ipv6": "false",
        "dcos_overlay_enable": "true",
        "dcos_overlay_mtu": "1420",
        "gc_delay": "3days",
        "docker_remove_delay": "1hrs",
        "resolvers": ["9.9.9.9"],
        "dns_search": "example.org",
        "use_proxy": "true",
        "http_proxy": "http://proxy.example.org:3128",
        "no_proxy": [".example.org", "127.0.0.1", "localhost", "10.0.0.0/20"],
    }
    text = json.dumps([dict(each) for each in bootstrap(made, machine).files])
    assert made.secrets["account"].secret.splitlines()[1] not in text


def test_nodes_have_the_addresses_that_the_masters_list_has() -> None:
    made = case().all_joined()
    master = node_of(made, MASTER)
    assert file(made, master, "/etc/dcos-address") == f"{master.ip_address}\n"
    shown = replace(master, floating_ip="203.0.113.9")
    public = made.with_nodes([shown if node.uuid == shown.uuid else node for node in made.nodes])
    assert file(public, shown, "/etc/dcos-public-address") == "203.0.113.9\n"
    assert "cat /etc/dcos-address\n" in file(made, node_of(made, BOOTSTRAP), "/etc/jeroboam/genconf/ip-detect")


def public_group(made: Case) -> NodegroupSpec:
    return replace(made.workers, role="public", node_labels={"disk": "ssd"})


def test_the_role_of_a_nodegroup_makes_its_agents_public() -> None:
    made = case().all_joined()
    agent = node_of(made, WORKER)
    assert "ROLE=slave\n" in file(made, agent, "/etc/jeroboam/node.env")
    public = replace(made, workers=public_group(made))
    assert "ROLE=slave_public\n" in file(public, agent, "/etc/jeroboam/node.env")
    given = file(public, agent, "/etc/jeroboam/mesos/attributes.env")
    assert "disk:ssd;public_ip:true" in given
    (action,) = [
        each
        for each in engine.relabelling(made.cluster, public.workers, made.nodes, old_labels={}, old_taints=[])
        if each.node_id == agent.uuid
    ]
    assert f"'{action.args['attributes']}'" in given
    rules = engine.infrastructure(made.cluster, made.groups).rules
    assert {(rule.protocol, rule.low) for rule in rules["public"]} == {
        ("tcp", 80),
        ("tcp", 443),
        ("udp", 80),
        ("udp", 443),
    }
    assert not rules[WORKER] and not rules[BOOTSTRAP]


def test_the_bootstrap_machine_is_no_agent() -> None:
    made = case().all_joined()
    machine, agent = node_of(made, BOOTSTRAP), node_of(made, WORKER)
    found = engine.drain(made.cluster, [machine, agent], made.nodes, seconds=60)
    assert found.nothing_to_do == {machine.uuid} and [each.nodes for each in found.removals] == [(agent.uuid,)]
    for action in engine.settling(made.cluster, made.groups, made.nodes):
        assert machine.uuid not in str(action.args["nodes"])
    assert engine.forget(made.cluster, machine, made.nodes, seconds=60) is None


def test_a_user_gets_a_login_token_that_the_masters_key_verifies() -> None:
    made = case().all_joined()
    config = engine.client_config(
        made.cluster,
        api_address="203.0.113.7",
        secrets=made.secrets,
        user="somebody",
        access=Access.ADMIN,
        now=NOW,
        lifetime=timedelta(hours=2),
    )
    assert config.environment == {"DCOS_URL": "https://203.0.113.7", "DCOS_LOGIN": "{directory}/login.json"}
    login = json.loads(config.files["login.json"])
    signed, _, signature = login["token"].rpartition(".")
    parts = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in signed.split(".")]
    expires = int((NOW + timedelta(hours=2)).timestamp())
    assert parts == [{"alg": "RS256", "typ": "JWT"}, {"uid": login["uid"], "exp": expires}]
    account = json.loads(file(made, node_of(made, MASTER), "/etc/jeroboam/account.json"))
    key = serialization.load_pem_public_key(account["public_key"].encode())
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_without_authentication_there_is_no_login() -> None:
    made = case().with_labels(oauth_enabled="false")
    asked = {"api_address": "203.0.113.7", "secrets": made.secrets, "user": "x", "now": NOW}
    config = engine.client_config(made.cluster, access=Access.ADMIN, lifetime=timedelta(hours=1), **asked)  # type: ignore[arg-type]
    assert set(config.files) == {"dcos.json"}
    with pytest.raises(ValueError, match="no read-only access"):
        engine.client_config(made.cluster, access=Access.VIEWER, lifetime=timedelta(hours=1), **asked)  # type: ignore[arg-type]


def test_a_masters_address_outlives_its_server() -> None:
    """The port is a resource of its own that nothing but the node's removal deletes, and masters are not removed."""
    made = case()
    resources = made.shard(MASTER)["resources"]
    for node in made.nodes[:3]:
        server, port = resources[f"node-{node.index}"], resources[f"port-{node.index}"]
        assert server["properties"]["networks"] == [{"port": {"get_resource": f"port-{node.index}"}}]
        assert "depends_on" not in port and f"node-{node.index}" not in str(port)
    alone = make_case(driver, "port")
    assert alone.shard(MASTER)["resources"]["node-0"]["properties"]["networks"] == [{"port": "id-of-api_port"}]
    # A machine that is built again installs DC/OS again, with the same list of masters.
    joined = made.all_joined()
    assert engine.forget(joined.cluster, joined.nodes[0], joined.nodes, seconds=60) is None
    again = joined.with_nodes([replace(joined.nodes[0], state="announced"), *joined.nodes[1:]])
    assert bootstrap(again, again.nodes[0]).files == bootstrap(joined, joined.nodes[0]).files
