"""The dashboard of deploy/grafana: its structure, and that what its expressions name is exported by some process."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from scripts.dashboards import ROWS, TARGET, dashboard
from tests.support.exported_metrics import labels_of_samples
from tests.support.prometheus_programs import promtool

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas/grafana-dashboard.json").read_text())
DASHBOARD: dict[str, Any] = json.loads(TARGET.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
_SAMPLE = re.compile(r"\b(jeroboam_\w+)(?:\{([^}]*)\})?")
_NAMES_IN_SELECTOR = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\bby \(([^)]*)\)")
_SHOWN = re.compile(r"\{\{(\w+)\}\}")


def unknown(expr: str) -> set[str]:
    """What an expression names and no process exports: samples, and labels of none of its samples."""
    known = labels_of_samples()
    found, labels = set(), set()
    for name, selector in _SAMPLE.findall(expr):
        if name not in known:
            found.add(name)
            continue
        labels |= known[name]
        found |= set(_NAMES_IN_SELECTOR.findall(selector)) - known[name]
    for group in _BY.findall(expr):
        found |= {label.strip() for label in group.split(",")} - labels
    return found


def test_it_is_what_the_script_writes() -> None:
    assert dashboard() == DASHBOARD


def test_its_structure_is_grafanas() -> None:
    jsonschema_rs.validate(SCHEMA, DASHBOARD)
    broken = deepcopy(DASHBOARD)
    broken["panels"][1]["type"] = "graphs"
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, broken)


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(place["x"] + place["w"] <= 24 for place in (panel["gridPos"] for panel in panels))


def test_each_part_has_the_four_signals() -> None:
    assert len(ROWS) == 5
    assert {len(parts) for parts in ROWS.values()} == {4}


@pytest.mark.parametrize(("title", "target"), TARGETS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_expression_has_metrics_and_labels_that_exist(title: str, target: dict[str, Any]) -> None:
    assert _SAMPLE.search(target["expr"]), title
    assert unknown(target["expr"]) == set()
    grouped = {label.strip() for group in _BY.findall(target["expr"]) for label in group.split(",")}
    assert set(_SHOWN.findall(target["legendFormat"])) == grouped - {"le"}


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("sum(rate(jeroboam_nothing_total[5m]))", {"jeroboam_nothing_total"}),
        ('sum(jeroboam_api_requests_total{state="x"})', {"state"}),
        ("sum by (kind) (jeroboam_api_requests_total)", {"kind"}),
        ('sum by (route, job) (jeroboam_api_requests_total{status=~"5..", instance!="x"})', set()),
    ],
)
def test_what_does_not_exist_is_found(expr: str, expected: set[str]) -> None:
    assert unknown(expr) == expected


def test_promtool_parses_every_expression(tmp_path: Path) -> None:
    """Grafana replaces its variable by a duration."""
    rules = [
        {"record": f"panel:{number}", "expr": target["expr"].replace("$__rate_interval", "5m")}
        for number, (_, target) in enumerate(TARGETS)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)
    rules[0]["expr"] += ")"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    with pytest.raises(AssertionError):
        promtool("check", "rules", file)
