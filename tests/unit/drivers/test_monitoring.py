"""The monitoring add-on: what promtool says of it, what the dashboard shows, and who gets the password."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from jeroboam.driver import Access, Bootstrap
from jeroboam.driver.scripts import FUNCTIONS
from jeroboam.testing.cases import Case, make_case
from shared.drivers.monitoring import grafana, settings
from shared.drivers.monitoring.labels import MonitoringLabels
from shared.drivers.registry import get_driver
from shared.drivers.swarm import scripts
from tests.support.kubernetes import driver
from tests.support.prometheus_programs import promtool

swarm = get_driver("swarm", "ubuntu", "vm")
Objects = dict[tuple[str, str], dict[str, Any]]


def kubernetes(**labels: str) -> Case:
    return make_case(driver, "octavia").with_labels(monitoring_enabled="true", **labels)


def addon(case: Case) -> Objects:
    found = case.engine.bootstrap(case.context(case.nodes[0]))
    assert isinstance(found, Bootstrap)
    (text,) = [each["content"] for each in found.files if each["path"].endswith("/60-monitoring.yaml")]
    (mode,) = [each["mode"] for each in found.files if each["path"].endswith("/60-monitoring.yaml")]
    assert mode == "0600", "it contains the password"
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text)}


def config_of(case: Case) -> dict[str, str]:
    data: dict[str, str] = addon(case)[("ConfigMap", "prometheus")]["data"]
    return data


def test_there_is_none_without_the_label() -> None:
    case = make_case(driver, "octavia")
    found = case.engine.bootstrap(case.context(case.nodes[0]))
    assert isinstance(found, Bootstrap)
    assert not [each["path"] for each in found.files if "monitoring" in each["path"]]


def test_promtool_accepts_configuration_and_rules(tmp_path: Path) -> None:
    data = config_of(kubernetes(monitoring_interval_seconds="15"))
    config = yaml.safe_load(data["prometheus.yml"])
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    # Debian builds Prometheus without this service discovery; the fields are few, and checked here.
    discoveries = [each for job in jobs.values() for each in job.pop("kubernetes_sd_configs", [])]
    assert [each.pop("role") for each in discoveries] == ["node", "node", "node", "endpoints", "pod"]
    assert [each for each in discoveries if each] == [{"namespaces": {"names": ["default"]}}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    (tmp_path / settings.RULES_FILE).write_text(data[settings.RULES_FILE])
    promtool("check", "config", "--syntax-only", tmp_path / "prometheus.yml")
    assert "4 rules found" in promtool("check", "rules", tmp_path / settings.RULES_FILE)
    assert config["global"]["scrape_interval"] == "15s"
    assert set(jobs) == {"prometheus", "node-exporter", "kubelet", "cadvisor", "apiserver", "pods"}


def test_alerts_fire_and_are_silent(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(settings.rules())

    def series(name: str, values: str) -> dict[str, str]:
        return {"series": f'{name}{{instance="n",mountpoint="/",fstype="ext4"}}', "values": values}

    def alerts(names: list[str]) -> list[dict[str, Any]]:
        known = {each["alert"] for each in yaml.safe_load(settings.rules())["groups"][0]["rules"]}
        return [
            {"eval_time": "20m", "alertname": name, **({} if name in names else {"exp_alerts": []})}
            for name in sorted(known - set(names))
        ]

    full = [series("node_filesystem_avail_bytes", "5x30"), series("node_filesystem_size_bytes", "100x30")]
    roomy = [series("node_filesystem_avail_bytes", "50x30"), series("node_filesystem_size_bytes", "100x30")]
    labels = {"instance": "n", "mountpoint": "/", "fstype": "ext4"}
    summary = "less than 10 % of / on n is available"
    fires = {
        "eval_time": "20m",
        "alertname": "FilesystemAlmostFull",
        "exp_alerts": [{"exp_labels": labels, "exp_annotations": {"summary": summary}}],
    }
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {"interval": "1m", "input_series": full, "alert_rule_test": [fires, *alerts(["FilesystemAlmostFull"])]},
            {"interval": "1m", "input_series": roomy, "alert_rule_test": alerts([])},
        ],
    }
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    promtool("test", "rules", tmp_path / "tests.yml")


def test_every_panel_has_a_place_and_a_valid_expression(tmp_path: Path) -> None:
    shown = json.loads(addon(kubernetes())[("ConfigMap", "grafana")]["data"]["cluster.json"])
    panels = shown["panels"]
    assert len({panel["id"] for panel in panels}) == len({str(panel["gridPos"]) for panel in panels}) == len(panels) > 5
    assert shown["time"]["from"].startswith("now-")
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(panels)} rules found" in promtool("check", "rules", tmp_path / "panels.yml")


def test_labels_become_arguments_images_and_a_volume() -> None:
    found = addon(
        kubernetes(
            monitoring_retention_days="3",
            monitoring_retention_size="20",
            monitoring_storage_class_name="cinder",
            prometheus_tag="v3.4.0",
        )
    )
    pod = found[("Deployment", "prometheus")]["spec"]["template"]["spec"]
    assert {"--storage.tsdb.retention.time=3d", "--storage.tsdb.retention.size=20GB"} <= set(
        pod["containers"][0]["args"]
    )
    assert pod["containers"][0]["image"] == "prom/prometheus:v3.4.0"
    claim = found[("PersistentVolumeClaim", "prometheus")]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("cinder", "26Gi")
    assert pod["volumes"][1]["persistentVolumeClaim"] == {"claimName": "prometheus"}
    plain = addon(kubernetes(container_infra_prefix="registry.example.org/k8s/"))
    assert ("PersistentVolumeClaim", "prometheus") not in plain
    images = re.findall(r"'image': '([^']+)'", str(plain))
    assert len(images) == 3 and all(each.startswith("registry.example.org/k8s/") for each in images)


def test_prometheus_may_read_no_secrets() -> None:
    rules = addon(kubernetes())[("ClusterRole", "jeroboam:prometheus")]["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    granted = {each for rule in rules for each in rule.get("resources", ())}
    assert not granted & {"secrets", "nodes/proxy", "configmaps", "*"}


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("monitoring_retention_days", "0"),
        ("monitoring_retention_size", "1.5"),
        ("monitoring_interval_seconds", "1"),
        ("monitoring_storage_class_name", "Fast!"),
        ("grafana_admin_passwd", "two words"),
        ("prometheus_tag", "a b"),
    ],
)
def test_wrong_labels_are_named(label: str, value: str) -> None:
    case = kubernetes(**{label: value})
    assert [text for text in case.engine.problems(case.cluster, case.groups) if text.startswith(f"label {label}: ")]


def password_of(case: Case, access: Access) -> str | None:
    config = case.engine.client_config(
        case.cluster,
        api_address="https://192.0.2.1:6443",
        secrets=case.secrets,
        user="u",
        access=access,
        now=datetime.now(UTC),
        lifetime=timedelta(hours=1),
    )
    return config.files.get(settings.PASSWORD_FILE)


def test_administrators_get_the_password_that_grafana_has() -> None:
    case = kubernetes()
    password = addon(case)[("Secret", "grafana")]["stringData"][settings.PASSWORD_FILE]
    assert len(password) == 24
    assert password_of(case, Access.ADMIN) == f"{password}\n"
    assert password_of(case, Access.VIEWER) is None
    assert password_of(make_case(driver, "octavia"), Access.ADMIN) is None
    for node in case.nodes[1:]:
        found = case.joined(0, 1).engine.bootstrap(case.joined(0, 1).context(node))
        assert password not in str(found), "only the first master needs it"
    assert password_of(kubernetes(grafana_admin_passwd="of-the-label"), Access.ADMIN) == "of-the-label\n"


def test_passwords_of_clusters_differ() -> None:
    labels = MonitoringLabels()
    assert settings.admin_password(labels, "key of a") != settings.admin_password(labels, "key of b")


def test_grafana_reads_its_files() -> None:
    assert yaml.safe_load(grafana.data_source("prometheus"))["datasources"][0]["url"] == "http://prometheus:9090"
    assert yaml.safe_load(grafana.provider())["providers"][0]["options"]["path"] == grafana.DASHBOARDS


def test_the_label_cannot_be_changed_later() -> None:
    case = make_case(driver, "octavia")
    changed = {**case.cluster.labels, "monitoring_enabled": "true"}
    (problem,) = case.engine.label_change_problems(replace(case.cluster), changed)
    assert problem.startswith("label monitoring_enabled: ")


SETTLE_DOCKER = """
echo "$*" >>"$CALLS"
case $1 in
info) echo 'true ' ;;
node) [ "$2" != ls ] || echo n1 ;;
esac
"""


def swarm_case(**labels: str) -> Case:
    given = {"monitoring_enabled": "true", "container_infra_prefix": "registry.example.org/k/", **labels}
    return make_case(swarm, "octavia").with_labels(**given)


def stack_files(case: Case, place: int = 0) -> dict[str, str]:
    found = case.engine.bootstrap(case.context(case.nodes[place]))
    assert isinstance(found, Bootstrap)
    ours = [each for each in found.files if each["path"].startswith("/etc/jeroboam/monitoring/")]
    assert {each["mode"] for each in ours} <= {"0600"}
    return {each["path"].rpartition("/")[2]: each["content"] for each in ours}


def test_the_stack_of_a_swarm_refers_to_its_files(tmp_path: Path) -> None:
    files = stack_files(swarm_case())
    stack = yaml.safe_load(files["stack.yml"])
    named = {**stack["configs"], **stack["secrets"]}
    assert {each["file"] for each in named.values()} == {f"./{name}" for name in files if name != "stack.yml"}
    for service in stack["services"].values():
        assert service["image"].startswith("registry.example.org/k/")
        assert {each["source"] for each in service.get("configs", [])} <= set(stack["configs"])
    assert {name for name, each in stack["services"].items() if "deploy" in each} == {"node-exporter", "cadvisor"}
    (excluded,) = [each for each in stack["services"]["node-exporter"]["command"] if "fs-types" in each]
    assert excluded.endswith(")$$"), "docker would take the $ for a variable"
    for name in ("prometheus.yml", settings.RULES_FILE):
        (tmp_path / name).write_text(files[name])
    assert "SUCCESS" in promtool("check", "config", tmp_path / "prometheus.yml")
    assert re.search(r"tasks\.cadvisor", files["prometheus.yml"])


def test_changed_files_of_a_swarm_have_new_names() -> None:
    def names(case: Case) -> dict[str, str]:
        stack = yaml.safe_load(stack_files(case)["stack.yml"])
        return {name: each["name"] for name, each in {**stack["configs"], **stack["secrets"]}.items()}

    before, after = names(swarm_case()), names(swarm_case(grafana_admin_passwd="of-the-label"))
    assert {name for name in before if before[name] != after[name]} == {settings.PASSWORD_FILE}


def test_managers_of_a_swarm_deploy_it_and_administrators_get_the_password() -> None:
    case = swarm_case()
    assert password_of(case, Access.ADMIN) == f"{stack_files(case)[settings.PASSWORD_FILE]}\n"
    joined = case.joined(0, 1, 2)
    joined = replace(joined, facts={joined.nodes[0].uuid: {"worker_token": "w", "manager_token": "m"}})
    for place, node in enumerate(joined.nodes):
        assert bool(stack_files(joined, place)) is node.is_master
    assert stack_files(make_case(swarm, "octavia")) == {}


def test_a_swarm_needs_a_registry_for_it() -> None:
    case = swarm_case(container_infra_prefix="")
    (problem,) = case.engine.problems(case.cluster, case.groups)
    assert problem.startswith("label container_infra_prefix: ")


@pytest.mark.parametrize("monitored", [True, False])
def test_settling_deploys_the_stack(tmp_path: Path, monitored: bool) -> None:
    etc = tmp_path / "root/etc/jeroboam"
    (etc / "monitoring").mkdir(parents=True)
    if monitored:
        (etc / "monitoring/stack.yml").touch()
    (etc / "functions.sh").write_text(FUNCTIONS)
    (etc / "swarm.sh").write_text(scripts.text("swarm.sh"))
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(f"#!/bin/sh\n{SETTLE_DOCKER}")
    docker.chmod(0o755)
    calls = tmp_path / "calls"
    environment = {
        "PATH": f"{docker.parent}:{os.environ['PATH']}",
        "JEROBOAM_ROOT": str(tmp_path / "root"),
        "CALLS": str(calls),
    }
    done = subprocess.run(
        ["sh", "-c", scripts.text("commands/settle.sh")],
        input="nodes=n1\n",
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    deployed = [line for line in calls.read_text().splitlines() if line.startswith("stack deploy ")]
    assert len(deployed) == monitored
    assert all(line.endswith(f"--compose-file {etc}/monitoring/stack.yml monitoring") for line in deployed)
