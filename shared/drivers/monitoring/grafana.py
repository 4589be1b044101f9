"""Grafana's data source and dashboard, as files that it reads when it starts.

Source: Grafana's documentation of provisioning and of the JSON model of dashboards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from shared.drivers.monitoring.settings import PROMETHEUS_PORT

DASHBOARDS = "/var/lib/grafana/dashboards"
PROVISIONING = "/etc/grafana/provisioning"
# The node exporter's own name of its machine; addresses alone would tell little.
_NAMED = "on (instance) group_left (nodename) node_uname_info"
_NODES = [
    (
        "CPU used",
        f'(1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}[5m]))) * {_NAMED}',
        "percentunit",
    ),
    (
        "Memory used",
        f"(1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes) * {_NAMED}",
        "percentunit",
    ),
    (
        "Fullest file system",
        "(1 - min by (instance) (node_filesystem_avail_bytes / node_filesystem_size_bytes)) * " + _NAMED,
        "percentunit",
    ),
    (
        "Network received",
        f'sum by (instance) (rate(node_network_receive_bytes_total{{device!="lo"}}[5m])) * {_NAMED}',
        "Bps",
    ),
    (
        "Network sent",
        f'sum by (instance) (rate(node_network_transmit_bytes_total{{device!="lo"}}[5m])) * {_NAMED}',
        "Bps",
    ),
    (
        "Load per CPU",
        f"node_load5 / on (instance) count by (instance) (node_cpu_seconds_total{{mode='idle'}}) * {_NAMED}",
        "short",
    ),
]


def data_source(host: str) -> str:
    """Args: host: name under which Grafana reaches Prometheus."""
    source = {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://{host}:{PROMETHEUS_PORT}",
        "isDefault": True,
        "editable": False,
    }
    return yaml.safe_dump({"apiVersion": 1, "datasources": [source]}, sort_keys=False)


def provider() -> str:
    found = {"name": "jeroboam", "type": "file", "allowUiUpdates": False, "options": {"path": DASHBOARDS}}
    return yaml.safe_dump({"apiVersion": 1, "providers": [found]}, sort_keys=False)


Panel = tuple[str, list[tuple[str, str]], str]


def dashboard(group: str, selector: str, own: Sequence[Panel] = ()) -> str:
    """The dashboard of a cluster: its nodes, and its containers by what they belong to.

    Args:
        group: labels of cAdvisor's metrics that name what containers belong to, separated by commas.
        selector: matchers of the series of containers.
        own: what the engine adds: title, expressions with their legends, unit.
    """
    legend = " / ".join(f"{{{{{name.strip()}}}}}" for name in group.split(","))
    containers = [
        (
            "CPU of containers (cores)",
            f"sum by ({group}) (rate(container_cpu_usage_seconds_total{{{selector}}}[5m]))",
            "short",
        ),
        ("Memory of containers", f"sum by ({group}) (container_memory_working_set_bytes{{{selector}}})", "bytes"),
    ]
    panels = [_panel("Targets that cannot be scraped", [("up == 0", "{{job}} {{instance}}")], "short", 0)]
    for title, expression, unit in _NODES:
        panels.append(_panel(title, [(expression, "{{nodename}}")], unit, len(panels)))
    for title, expression, unit in containers:
        panels.append(_panel(title, [(expression, legend)], unit, len(panels)))
    for title, queries, unit in own:
        panels.append(_panel(title, queries, unit, len(panels)))
    shown = {
        "uid": "jeroboam-cluster",
        "title": "Cluster",
        "tags": ["jeroboam"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}]
        },
        "panels": panels,
    }
    return json.dumps(shown, indent=1)


def _panel(title: str, queries: list[tuple[str, str]], unit: str, number: int) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "gridPos": {"x": number % 2 * 12, "y": number // 2 * 8, "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": source, "expr": expression, "legendFormat": legend}
            for place, (expression, legend) in enumerate(queries)
        ],
    }
