"""Monitoring on Mesos: labels, the apps, and who knows which secret."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from jeroboam.driver import MASTER, WORKER, Access
from jeroboam.testing.cases import NOW, Case, make_case
from shared.drivers.mesos import credentials, engine
from shared.drivers.monitoring.settings import PASSWORD_FILE
from tests.support.marathon import problems
from tests.support.monitored_mesos import DIRECTORY, case, driver, files, texts


def apps(case: Case) -> dict[str, dict[str, Any]]:
    group = json.loads(files(case, MASTER)[f"{DIRECTORY}group.json"]["content"])
    return {each["id"].rpartition("/")[2]: each for each in group["apps"]}


def password_of(case: Case) -> str | None:
    config = engine.client_config(
        case.cluster,
        api_address="203.0.113.7",
        secrets=case.secrets,
        user="u",
        access=Access.ADMIN,
        now=NOW,
        lifetime=timedelta(hours=1),
    )
    return config.files.get(PASSWORD_FILE)


def test_there_is_nothing_of_it_without_the_label() -> None:
    plain = make_case(driver, "octavia").all_joined()
    for role in (MASTER, WORKER):
        found = files(plain, role)
        assert not [path for path in found if "monitoring" in path]
        assert not [path for path, each in found.items() if credentials.MONITORING in each["content"]]
    assert password_of(plain) is None
    assert {action.command for action in engine.settling(plain.cluster, plain.groups, plain.nodes)} == {"note-agents"}


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"container_infra_prefix": ""}, "label container_infra_prefix: .* grafana, node-exporter, cadvisor and json-"),
        ({"grafana_port": "9100"}, "label grafana_port: 9100 is used by the node exporter"),
        ({"grafana_port": "9101"}, "label grafana_port: 9101 is used by cAdvisor"),
        ({"grafana_port": "5051"}, "label grafana_port: 5051 is used by the Mesos agent"),
        ({"grafana_port": "31000"}, "label grafana_port: 31000 is used by tasks"),
        ({"grafana_port": "32000"}, "label grafana_port: 32000 is used by tasks"),
        ({"prometheus_memory": "64"}, "label prometheus_memory: "),
        ({"json_exporter_tag": "a b"}, "label json_exporter_tag: "),
    ],
)
def test_labels_that_cannot_work(labels: dict[str, Any], problem: str) -> None:
    wrong = case(**labels)
    (found,) = engine.problems(wrong.cluster, wrong.groups)
    assert re.match(problem, found), found


def test_labels_that_can() -> None:
    for right in (case(), case(grafana_port="32001"), case(monitoring_enabled="false", grafana_port="9100")):
        assert engine.problems(right.cluster, right.groups) == []
    (problem,) = engine.label_change_problems(case().cluster, {**case().cluster.labels, "prometheus_memory": "999"})
    assert problem.startswith("label prometheus_memory: ")


def test_the_apps_are_what_marathon_takes() -> None:
    group = json.loads(files(case(), MASTER)[f"{DIRECTORY}group.json"]["content"])
    for app in group["apps"]:
        app["instances"] = 2 if app["instances"] == "@AGENTS@" else app["instances"]
    assert problems("/monitoring", group) == []
    found = apps(case(prometheus_memory="2048", grafana_port="3001", monitoring_retention_days="3"))
    everywhere = {name for name, app in found.items() if app["constraints"] == [["hostname", "UNIQUE"]]}
    assert everywhere == {"node-exporter", "cadvisor"}
    at_home = {name for name, app in found.items() if app["constraints"] == [["jeroboam_node", "CLUSTER", "@HOME@"]]}
    assert at_home == {"prometheus", "grafana", "json-exporter"}
    assert all(found[name]["instances"] == 1 for name in at_home)
    for name, app in found.items():
        image, _, tag = app["container"]["docker"]["image"].rpartition(":")
        assert image == f"registry.example.org/m/{name}" and tag.startswith(("v", "1"))
        # Its port cannot be had twice.
        assert app["upgradeStrategy"] == {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}
        assert app["portDefinitions"] == []
    assert found["prometheus"]["mem"] == 2048
    assert "--storage.tsdb.retention.time=3d" in found["prometheus"]["args"]
    assert found["grafana"]["env"]["GF_SERVER_HTTP_PORT"] == "3001"
    writable = {
        volume["hostPath"] for app in found.values() for volume in app["container"]["volumes"] if volume["mode"] == "RW"
    }
    assert writable == {"/var/lib/jeroboam/monitoring/prometheus"}


def test_only_nodes_can_reach_what_has_no_password() -> None:
    found = apps(case())
    for name in ("prometheus", "json-exporter"):
        (listening,) = [each for each in found[name]["args"] if each.startswith("--web.listen-address=")]
        assert listening.startswith("--web.listen-address=127.0.0.1:")


def test_every_file_that_an_app_mounts_is_there() -> None:
    mounted = {
        volume["hostPath"]
        for app in apps(case()).values()
        for volume in app["container"]["volumes"]
        if volume["hostPath"].startswith(DIRECTORY)
    }
    given = {f"{DIRECTORY}{name}".rpartition("/")[0] for name in texts(case())} - {DIRECTORY.rstrip("/")}
    assert mounted == given


def test_who_knows_which_secret() -> None:
    whole = case()
    password = password_of(whole)
    assert password is not None and len(password.strip()) == 24
    reading = credentials.secret_of(credentials.MONITORING, whole.secrets)
    holding = {
        (role, path.rpartition("/")[2], each["mode"])
        for role in (MASTER, WORKER)
        for path, each in files(whole, role).items()
        if reading in each["content"] or password.strip() in each["content"]
    }
    assert holding == {
        (MASTER, "group.json", "0600"),
        (MASTER, "credentials.json", "0600"),
        (WORKER, "json-exporter.yml", "0600"),
    }
    assert apps(whole)["grafana"]["env"]["GF_SECURITY_ADMIN_PASSWORD"] == password.strip()
    assert reading not in json.dumps(apps(whole))
    assert password_of(case(grafana_admin_passwd="of-the-label")) == "of-the-label\n"


def test_monitoring_may_only_read() -> None:
    rules = json.loads(files(case(), MASTER)["/etc/jeroboam/mesos/acls.json"]["content"])
    refused = {
        name
        for name, entries in rules.items()
        if name != "permissive"
        and any(
            {"type": "NONE"} in entry.values() and entry["principals"] in ({"type": "ANY"}, {"values": ["monitoring"]})
            for entry in entries
        )
    }
    writing = {"register_frameworks", "register_agents", "reserve_resources", "create_volumes", "update_quotas"}
    assert writing | {"teardown_frameworks", "drain_agents", "update_weights", "set_log_level"} <= refused
    for name in ("reserve_resources", "update_quotas"):
        (entry,) = rules[name]
        assert entry == {"principals": {"values": ["monitoring"]}, "roles": {"type": "NONE"}}, "Marathon still may"
