"""Monitoring on Mesos: the apps, who knows which secret, what promtool says, and the commands, which really run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from jeroboam.driver import MASTER, WORKER, Access, Bootstrap, NodeAction, NodeSpec
from jeroboam.testing.cases import NOW, Case, make_case
from shared.drivers.mesos import credentials, engine
from shared.drivers.monitoring.settings import PASSWORD_FILE, RULES_FILE
from shared.drivers.registry import get_driver
from tests.support.marathon import Marathon, problems
from tests.support.mesos_machine import MesosMachine
from tests.support.prometheus_programs import promtool

driver = get_driver("mesos", "ubuntu", "vm")
DIRECTORY = "/etc/jeroboam/monitoring/"
# Of the documentation of Mesos' metrics, as far as they are used here.
MASTER_METRICS = {
    *("elected", "uptime_secs", "slaves_active", "slaves_inactive", "slaves_connected", "slaves_disconnected"),
    *("frameworks_active", "frameworks_inactive", "outstanding_offers", "tasks_staging", "tasks_starting"),
    *("tasks_running", "cpus_total", "cpus_used", "mem_total", "mem_used", "disk_total", "disk_used"),
    *("tasks_finished", "tasks_failed", "tasks_killed", "tasks_lost", "tasks_error", "dropped_messages"),
    *("slave_registrations", "slave_reregistrations", "slave_removals"),
}


def case(workers: int = 2, **labels: str) -> Case:
    given = {"monitoring_enabled": "true", "container_infra_prefix": "registry.example.org/m/", **labels}
    return make_case(driver, "octavia", workers=workers).with_labels(**given).all_joined()


def files(case: Case, role: str) -> dict[str, dict[str, str]]:
    node = next(node for node in case.nodes if node.role == role)
    found = engine.bootstrap(case.context(node))
    assert isinstance(found, Bootstrap), found
    return {str(each["path"]): dict(each) for each in found.files}


def texts(case: Case) -> dict[str, str]:
    """What an agent has below the directory of monitoring."""
    found = {path: each["content"] for path, each in files(case, WORKER).items() if path.startswith(DIRECTORY)}
    return {path.removeprefix(DIRECTORY): text for path, text in found.items()}


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


def test_promtool_accepts_configuration_rules_and_panels(tmp_path: Path) -> None:
    found = texts(case())
    (tmp_path / "agents.json").write_text('[{"targets": ["10.0.1.4"], "labels": {"instance": "a"}}]')
    for name in ("prometheus.yml", RULES_FILE):
        (tmp_path / name).write_text(found[f"prometheus/{name}"])
    assert "SUCCESS" in promtool("check", "config", tmp_path / "prometheus.yml")
    assert "6 rules found" in promtool("check", "rules", tmp_path / RULES_FILE)
    panels = json.loads(found["grafana/dashboards/cluster.json"])["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len({str(panel["gridPos"]) for panel in panels}) == len(panels)
    assert [each for each in expressions if "by (container_env_marathon_app_id)" in each]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "panels.yml")
    # What rules and panels say of Mesos is exported.
    exported = {each["name"] for each in yaml.safe_load(found["json-exporter.yml"])["modules"]["mesos"]["metrics"]}
    named = set(re.findall(r"\bmesos_\w+", found[f"prometheus/{RULES_FILE}"] + " ".join(expressions)))
    assert named and named <= exported


def test_alerts_about_mesos_fire_and_are_silent(tmp_path: Path) -> None:
    (tmp_path / RULES_FILE).write_text(texts(case())[f"prometheus/{RULES_FILE}"])

    def series(*elected: int, disconnected: int = 0) -> list[dict[str, str]]:
        leads = [
            {"series": f'mesos_elected{{instance="m{number}"}}', "values": f"{value}x30"}
            for number, value in enumerate(elected)
        ]
        return [*leads, {"series": 'mesos_slaves_disconnected{instance="m0"}', "values": f"{disconnected}x30"}]

    def fires(name: str, summary: str | None) -> dict[str, Any]:
        alerts = [] if summary is None else [{"exp_labels": {}, "exp_annotations": {"summary": summary}}]
        return {"eval_time": "20m", "alertname": name, "exp_alerts": alerts}

    lost = "3 Mesos agents are disconnected from the leading master"
    tests = [
        (series(1, 0, 0), [fires("MesosHasNoLeader", None), fires("MesosAgentsDisconnected", None)]),
        (series(0, 0, 0), [fires("MesosHasNoLeader", "not exactly one Mesos master leads")]),
        (series(1, 1, 0), [fires("MesosHasNoLeader", "not exactly one Mesos master leads")]),
        (series(1, 0, 0, disconnected=3), [fires("MesosAgentsDisconnected", lost), fires("MesosHasNoLeader", None)]),
    ]
    found = {
        "rule_files": [RULES_FILE],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": given, "alert_rule_test": alerts} for given, alerts in tests],
    }
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(found))
    promtool("test", "rules", tmp_path / "tests.yml")


def test_the_exporter_asks_for_documented_metrics() -> None:
    (module,) = yaml.safe_load(texts(case())["json-exporter.yml"])["modules"].values()
    assert module["http_client_config"]["basic_auth"]["username"] == "monitoring"
    for metric in module["metrics"]:
        name = metric["name"].removeprefix("mesos_")
        assert name in MASTER_METRICS and metric["path"] == f"{{['master/{name}']}}"
        assert metric["valuetype"] in ("gauge", "counter")


def actions(case: Case, nodes: list[NodeSpec]) -> dict[str, NodeAction]:
    found = engine.settling(case.cluster, case.groups, nodes)
    names = [action.command for action in found]
    assert names[-2:] in (["note-targets", "deploy-monitoring"], ["note-agents"] * 2, ["note-agents"]), names
    return {action.command: action for action in found}


def test_prometheus_stays_on_the_first_agent_that_works() -> None:
    whole = case(workers=3)
    nodes = list(whole.nodes)
    workers = [node for node in nodes if node.role == WORKER]
    found = actions(whole, nodes)
    assert found["note-targets"].node_id == workers[0].uuid
    assert found["note-targets"].args["agents"] == " ".join(f"{each.name}/{each.ip_address}" for each in workers)
    assert found["deploy-monitoring"].args == {"agents": 3, "home": workers[0].uuid}
    assert next(node for node in nodes if node.uuid == found["deploy-monitoring"].node_id).is_master
    # Nodes of another nodegroup, an older one included, are not preferred; the order of nodes does not matter.
    other = replace(workers[2], uuid="o", nodegroup_id="0", index=0, name="other-0")
    assert actions(whole, [other, *reversed(nodes)])["deploy-monitoring"].args == {
        "agents": 4,
        "home": workers[0].uuid,
    }
    failed = [replace(node, state="failed") if node == workers[0] else node for node in nodes]
    assert actions(whole, failed)["deploy-monitoring"].args == {"agents": 3, "home": workers[1].uuid}
    only = [node for node in nodes if node.is_master] + [other]
    assert actions(whole, only)["deploy-monitoring"].args == {"agents": 1, "home": "o"}
    assert "deploy-monitoring" not in actions(whole, [replace(each, state="failed") for each in workers] + nodes[:3])


@pytest.fixture
def marathon() -> Iterator[Marathon]:
    running = Marathon(f"{credentials.ADMIN}:{credentials.secret_of(credentials.ADMIN, case().secrets)}")
    yield running
    running.close()


def machine_of(directory: Path, whole: Case, role: str, marathon: Marathon) -> MesosMachine:
    made = MesosMachine(directory, [])
    made.program("chown", '#!/bin/sh\necho "chown $*" >>"$FAKE/calls"\n')
    found = engine.bootstrap(whole.context(next(node for node in whole.nodes if node.role == role)))
    assert isinstance(found, Bootstrap)
    made.write(found)
    path = made.root / "etc/jeroboam/node.env"
    path.write_text(path.read_text().replace("MARATHON_PORT=8080", f"MARATHON_PORT={marathon.port}"))
    return made


def test_a_master_gives_marathon_the_apps(tmp_path: Path, marathon: Marathon) -> None:
    # A password that looks like a place stays a password.
    whole = case(grafana_admin_passwd="@HOME@")
    master = machine_of(tmp_path, whole, MASTER, marathon)
    marathon.failures = 2
    for _ in range(2):
        done = master.command("deploy-monitoring", agents=2, home="0198-ab")
        assert done.returncode == 0, done.stderr
    assert marathon.deployments == ["/monitoring"], "nothing has changed the second time"
    found = {app["id"]: app for app in marathon.groups["/monitoring"]["apps"]}
    assert {name: app["instances"] for name, app in found.items()} == {
        "/monitoring/node-exporter": 2,
        "/monitoring/cadvisor": 2,
        "/monitoring/prometheus": 1,
        "/monitoring/grafana": 1,
        "/monitoring/json-exporter": 1,
    }
    assert found["/monitoring/prometheus"]["constraints"] == [["jeroboam_node", "CLUSTER", "0198-ab"]]
    assert found["/monitoring/grafana"]["env"]["GF_SECURITY_ADMIN_PASSWORD"] == "@HOME@"
    assert master.command("deploy-monitoring", agents=3, home="0198-ab").returncode == 0
    assert [app["instances"] for app in marathon.groups["/monitoring"]["apps"]][:2] == [3, 3]


def test_what_marathon_says_is_told(tmp_path: Path, marathon: Marathon) -> None:
    master = machine_of(tmp_path, case(), MASTER, marathon)
    marathon.user = "admin:another"
    done = master.command("deploy-monitoring", agents=2, home="a")
    assert done.returncode == 1 and "401 " in done.stderr and "Invalid username" in done.stderr
    assert credentials.secret_of(credentials.ADMIN, case().secrets) not in done.stdout + done.stderr
    master.environment["JEROBOAM_MESOS_RETRY_SECONDS"] = "1"
    marathon.failures = 10_000
    marathon.user = f"admin:{credentials.secret_of(credentials.ADMIN, case().secrets)}"
    done = master.command("deploy-monitoring", agents=2, home="a")
    assert done.returncode == 1 and "did not take the apps of monitoring: 503" in done.stderr
    for arguments in ({"agents": "2; x", "home": "a"}, {"agents": 2, "home": "a/b"}, {"agents": 2}):
        assert master.command("deploy-monitoring", **arguments).returncode == 1
    assert marathon.groups == {}


def test_prometheus_gets_the_list_of_all_agents(tmp_path: Path, marathon: Marathon) -> None:
    whole = case(workers=3)
    agent = machine_of(tmp_path, whole, WORKER, marathon)
    action = actions(whole, list(whole.nodes))["note-targets"]
    for _ in range(2):
        done = agent.command(action.command, **action.args)
        assert done.returncode == 0, done.stderr
    path = agent.root / "etc/jeroboam/monitoring/prometheus/agents.json"
    workers = [node for node in whole.nodes if node.role == WORKER]
    assert json.loads(path.read_text()) == [
        {"targets": [node.ip_address], "labels": {"instance": node.name}} for node in workers
    ]
    assert path.stat().st_mode & 0o777 == 0o644
    done = agent.command("note-targets", agents='a/1", "x')
    assert done.returncode == 1 and "no names and addresses" in done.stderr


def test_users_of_the_images_can_read_and_write_what_they_need(tmp_path: Path, marathon: Marathon) -> None:
    agent = machine_of(tmp_path, case(), WORKER, marathon)
    for _ in range(2):
        done = agent.run('set -eu; . "$JEROBOAM_ROOT/etc/jeroboam/monitoring.sh"; prepare_monitoring')
        assert done.returncode == 0, done.stderr
    configuration, data = agent.root / "etc/jeroboam/monitoring", agent.root / "var/lib/jeroboam/monitoring"
    # Directories and files that another user than root can read.
    for place in ("prometheus", "grafana/datasources", "grafana/providers", "grafana/dashboards"):
        assert (configuration / place).stat().st_mode & 0o777 == 0o755
        assert {path.stat().st_mode & 0o777 for path in (configuration / place).iterdir()} == {0o644}
    secret = data / "json-exporter/config.yml"
    assert secret.stat().st_mode & 0o777 == 0o400 and (configuration / "json-exporter.yml").stat().st_mode & 0o77 == 0
    assert secret.read_text() == (configuration / "json-exporter.yml").read_text()
    assert [f"chown 65534:65534 {data}/{name}" for name in ("prometheus", "json-exporter/config.yml.new")] == (
        agent.calls()[:2]
    )


def test_a_thousand_agents_fit_into_a_command(tmp_path: Path, marathon: Marathon) -> None:
    agent = machine_of(tmp_path, case(), WORKER, marathon)
    named = " ".join(
        f"a-cluster-with-a-rather-long-name-default-worker-{n}/10.0.{n // 250}.{n % 250}" for n in range(1000)
    )
    done = agent.command("note-targets", agents=named)
    assert done.returncode == 0, done.stderr
    assert len(json.loads((agent.root / "etc/jeroboam/monitoring/prometheus/agents.json").read_text())) == 1000
