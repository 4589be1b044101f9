"""Every setting that a Mesos node gets is a documented option of its program, and files stay what they are meant to be.

The lists are those of the documentation of Mesos 1.11 (master, agent, both), Marathon 1.11 and ZooKeeper 3.8, as far as
they are used here.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jeroboam.driver import MASTER, WORKER, Bootstrap
from jeroboam.testing.cases import Case, make_case
from shared.drivers.mesos import credentials, engine
from shared.drivers.registry import get_driver

driver = get_driver("mesos", "ubuntu", "vm")
OWN = "/etc/jeroboam/mesos"
BOTH = {"advertise_ip", "hostname", "ip", "port", "authenticate_http_readonly", "authenticate_http_readwrite"}
FLAGS = {
    "master.env": {
        *("acls", "authenticate_agents", "authenticate_frameworks", "authenticate_http_frameworks", "cluster"),
        *("credentials", "http_framework_authenticators", "quorum", "registry", "work_dir", "zk", *BOTH),
    },
    "agent.env": {
        *("attributes", "containerizers", "credential", "executor_environment_variables"),
        *("executor_registration_timeout", "http_credentials", "image_providers", "isolation", "master"),
        *("reconfiguration_policy", "work_dir", *BOTH),
    },
    "attributes.env": {"attributes"},
    "marathon.env": {
        *("hostname", "http_credentials", "http_port", "master", "mesos_authentication_principal"),
        *("mesos_authentication_secret_file", "zk"),
    },
}
ZOOKEEPER = {
    *("tickTime", "initLimit", "syncLimit", "dataDir", "clientPort", "standaloneEnabled", "4lw.commands.whitelist"),
    *("admin.enableServer", "autopurge.snapRetainCount", "autopurge.purgeInterval"),
}
LABELS = {
    "mesos_slave_isolation": "docker/runtime,filesystem/linux",
    "mesos_slave_image_providers": "docker",
    "mesos_slave_executor_env_variables": json.dumps({"A": 'it\'s "$HOME" `id`', "B": "line\nfeed"}),
}


def case(masters: int = 3) -> Case:
    found = make_case(driver, "octavia", masters=masters).with_labels(**LABELS).all_joined()
    workers = replace(found.workers, node_labels={"disk": "ssd"})
    return replace(found, workers=workers)


def files(case: Case, role: str, place: int = 0) -> dict[str, dict[str, str]]:
    node = [node for node in case.nodes if node.role == role][place]
    found = engine.bootstrap(case.context(node))
    assert isinstance(found, Bootstrap), found
    return {str(file["path"]).removeprefix(f"{OWN}/"): dict(file) for file in found.files}


def variables(text: str) -> dict[str, str]:
    found = dict(line.split("=", 1) for line in text.splitlines())
    return {name: "".join(shlex.split(value)) for name, value in found.items()}


@pytest.mark.parametrize(("role", "name"), [(MASTER, "master.env"), (MASTER, "marathon.env"), (WORKER, "agent.env")])
def test_settings_are_documented_options(role: str, name: str) -> None:
    prefix = "MARATHON_" if name.startswith("marathon") else "MESOS_"
    found = variables(files(case(), role)[name]["content"])
    unknown = {each for each in found if each.removeprefix(prefix).lower() not in FLAGS[name]}
    assert unknown <= {"LIBPROCESS_IP"}, unknown


@pytest.mark.parametrize(("masters", "quorum"), [(1, "1"), (3, "2"), (5, "3")])
def test_quorum_and_ensemble(masters: int, quorum: str) -> None:
    whole = case(masters)
    numbers = set()
    for place in range(masters):
        found = files(whole, MASTER, place)
        assert variables(found["master.env"]["content"])["MESOS_QUORUM"] == quorum
        config = dict(line.split("=", 1) for line in found["zoo.cfg"]["content"].splitlines())
        servers = {name: value for name, value in config.items() if name.startswith("server.")}
        assert config.keys() - servers.keys() <= ZOOKEEPER and len(servers) == masters
        number = int(found["myid"]["content"])
        address = variables(found["master.env"]["content"])["MESOS_IP"]
        assert servers[f"server.{number}"] == f"{address}:2888:3888"
        numbers.add(number)
    assert numbers == set(range(1, masters + 1))


def test_only_masters_write_into_zookeeper_with_the_password() -> None:
    master, agent = files(case(), MASTER), files(case(), WORKER)
    password = credentials.secret_of(credentials.ZOOKEEPER, case().secrets)
    zk = variables(master["master.env"]["content"])["MESOS_ZK"]
    assert zk == f"zk://zookeeper:{password}@10.0.0.10:2181,10.0.0.11:2181,10.0.0.12:2181/mesos"
    assert variables(agent["agent.env"]["content"])["MESOS_MASTER"].startswith("zk://10.0.0.10:2181,")
    assert password not in json.dumps(agent)


def test_who_knows_which_secret() -> None:
    secrets = case().secrets
    by_role = {role: json.dumps(files(case(), role)) for role in (MASTER, WORKER)}
    known = {
        principal: [role for role, text in by_role.items() if credentials.secret_of(principal, secrets) in text]
        for principal in (credentials.ADMIN, credentials.OPERATOR, credentials.MARATHON, credentials.AGENT, "agent-api")
    }
    assert known == {"admin": [MASTER], "jeroboam": [MASTER], "marathon": [MASTER], "agent": [MASTER, WORKER]} | {
        "agent-api": [WORKER]
    }
    assert not any(secrets[credentials.SECRET].secret in text for text in by_role.values())


@pytest.mark.parametrize("role", [MASTER, WORKER])
def test_secrets_can_be_read_by_root_only(role: str) -> None:
    secrets = case().secrets
    principals = ("admin", "jeroboam", "marathon", "agent", "agent-api", "zookeeper")
    values = [credentials.secret_of(principal, secrets) for principal in principals]
    holding = {
        name: file["mode"] for name, file in files(case(), role).items() if any(v in file["content"] for v in values)
    }
    assert holding and set(holding.values()) == {"0600"}, holding


def test_the_files_of_credentials_have_the_documented_form() -> None:
    master, agent = files(case(), MASTER), files(case(), WORKER)
    listed = json.loads(master["credentials.json"]["content"])["credentials"]
    assert {tuple(each) for each in listed} == {("principal", "secret")}
    assert {each["principal"] for each in listed} == {"admin", "jeroboam", "marathon", "agent"}
    assert json.loads(agent["credential.json"]["content"]) in listed
    assert not master["marathon-secret"]["content"].endswith("\n")
    rules = json.loads(master["acls.json"]["content"])
    for name in ("drain_agents", "mark_agents_gone", "register_agents"):
        allowed, refused = rules[name]
        assert allowed["agents"] == {"type": "ANY"} and refused == {
            "principals": {"type": "ANY"},
            "agents": {"type": "NONE"},
        }
    assert rules["register_agents"][0]["principals"] == {"values": ["agent"]}
    assert "agent" not in rules["drain_agents"][0]["principals"]["values"]


def test_settings_of_labels() -> None:
    found = files(case(), WORKER)
    agent = variables(found["agent.env"]["content"])
    assert agent["MESOS_ISOLATION"] == "docker/runtime,filesystem/linux" and agent["MESOS_IMAGE_PROVIDERS"] == "docker"
    assert agent["MESOS_RECONFIGURATION_POLICY"] == "additive"
    path = agent["MESOS_EXECUTOR_ENVIRONMENT_VARIABLES"].removeprefix("file:///etc/jeroboam/mesos/")
    assert json.loads(found[path]["content"])["A"] == 'it\'s "$HOME" `id`'
    attributes = variables(found["attributes.env"]["content"])["MESOS_ATTRIBUTES"].split(";")
    assert attributes[0] == f"jeroboam_node:{case().nodes[3].uuid}" and attributes[-1] == "disk:ssd"


def test_texts_of_users_stay_inside_their_variable() -> None:
    named = case().with_cluster(name='Team A\'s $(id) \\ "x"')
    assert variables(files(named, MASTER)["master.env"]["content"])["MESOS_CLUSTER"] == named.cluster.name


@pytest.mark.parametrize("role", [MASTER, WORKER])
def test_units_are_what_systemd_takes(role: str, tmp_path: Path) -> None:
    units = {name: file["content"] for name, file in files(case(), role).items() if name.endswith(".service")}
    assert len(units) == (2 if role == MASTER else 1)
    for name, text in units.items():
        path = tmp_path / Path(name).name
        path.write_text(text.replace("@PROGRAM@", "/bin/true"))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not [line for line in done.stderr.splitlines() if path.name in line], done.stderr
