"""Monitoring on Mesos: what promtool says, and which metrics of Mesos are collected."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from shared.drivers.monitoring.settings import RULES_FILE
from tests.support.monitored_mesos import case, texts
from tests.support.prometheus_programs import promtool

# Of the documentation of Mesos' metrics, as far as they are used here.
MASTER_METRICS = {
    *("elected", "uptime_secs", "slaves_active", "slaves_inactive", "slaves_connected", "slaves_disconnected"),
    *("frameworks_active", "frameworks_inactive", "outstanding_offers", "tasks_staging", "tasks_starting"),
    *("tasks_running", "cpus_total", "cpus_used", "mem_total", "mem_used", "disk_total", "disk_used"),
    *("tasks_finished", "tasks_failed", "tasks_killed", "tasks_lost", "tasks_error", "dropped_messages"),
    *("slave_registrations", "slave_reregistrations", "slave_removals"),
}


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
