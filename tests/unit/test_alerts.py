"""The alerts of deploy/prometheus: promtool accepts and tests them, their metrics exist, and each has a runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.exported_metrics import labels_of_samples
from tests.support.prometheus_programs import promtool

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / "deploy/prometheus"
ALERTS: list[dict[str, Any]] = yaml.safe_load((DIRECTORY / "rules.yml").read_text())["groups"][0]["rules"]
_METRIC = re.compile(r"\bjeroboam_[a-z_]+\b")


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", DIRECTORY / "rules.yml")
    assert "SUCCESS" in promtool("test", "rules", DIRECTORY / "rules_test.yml")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_has_metrics_a_test_and_a_runbook(alert: dict[str, Any]) -> None:
    assert set(_METRIC.findall(alert["expr"])) <= set(labels_of_samples())
    assert f'"{alert["alert"]}"' in (DIRECTORY / "rules_test.yml").read_text()
    file, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor == alert["alert"].lower()
    assert f"\n## {alert['alert']}\n" in (ROOT / file).read_text()
