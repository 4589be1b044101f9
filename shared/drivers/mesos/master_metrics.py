"""Mesos' own metrics. Masters publish them as JSON, which the JSON exporter translates for Prometheus.

Rule: the exporter authenticates as `monitoring`, a principal that masters let read only. It runs beside Prometheus.
Source: Mesos' documentation of observability metrics, and the JSON exporter's documentation and example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from jeroboam.driver import NodeSpec, Secret
from shared.drivers.mesos import credentials
from shared.drivers.mesos.labels import JSON_EXPORTER_PORT, MASTER_PORT
from shared.drivers.monitoring import settings
from shared.drivers.monitoring.grafana import Panel

_MODULE = "mesos"
# Memory and disk space in MB, as in Mesos. A master that does not lead has no agents, tasks and resources.
_GAUGES = (
    *("elected", "uptime_secs", "slaves_active", "slaves_inactive", "slaves_connected", "slaves_disconnected"),
    *("frameworks_active", "frameworks_inactive", "outstanding_offers", "tasks_staging", "tasks_starting"),
    *("tasks_running", "cpus_total", "cpus_used", "mem_total", "mem_used", "disk_total", "disk_used"),
)
_COUNTERS = (
    *("tasks_finished", "tasks_failed", "tasks_killed", "tasks_lost", "tasks_error", "dropped_messages"),
    *("slave_registrations", "slave_reregistrations", "slave_removals"),
)
PANELS: Sequence[Panel] = [
    (
        "Mesos: agents",
        [("max(mesos_slaves_active)", "active"), ("max(mesos_slaves_disconnected)", "disconnected")],
        "short",
    ),
    (
        "Mesos: allocated of all agents",
        [(f"max(mesos_{name}_used) / max(mesos_{name}_total)", name) for name in ("cpus", "mem", "disk")],
        "percentunit",
    ),
    (
        "Mesos: tasks",
        [("max(mesos_tasks_running)", "running"), ("max(mesos_tasks_staging)", "staging")],
        "short",
    ),
    (
        "Mesos: tasks that ended, per second",
        [(f"sum(rate(mesos_tasks_{name}[5m]))", name) for name in ("finished", "failed", "killed", "lost")],
        "short",
    ),
]


def exporter_config(secrets: Mapping[str, Secret]) -> str:
    """The JSON exporter's configuration; it contains a secret."""
    found = [_metric(name, "gauge") for name in _GAUGES] + [_metric(name, "counter") for name in _COUNTERS]
    password = credentials.secret_of(credentials.MONITORING, secrets)
    client = {"basic_auth": {"username": credentials.MONITORING, "password": password}}
    return yaml.safe_dump({"modules": {_MODULE: {"http_client_config": client, "metrics": found}}}, sort_keys=False)


def job(masters: Sequence[NodeSpec]) -> dict[str, Any]:
    """Prometheus' job: the exporter asks each master. Masters stay the same while the cluster exists."""
    return {
        "job_name": "mesos",
        "metrics_path": "/probe",
        "params": {"module": [_MODULE]},
        "static_configs": [
            {
                "targets": [f"http://{node.ip_address}:{MASTER_PORT}/metrics/snapshot"],
                "labels": {"instance": node.name},
            }
            for node in masters
        ],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"target_label": "__address__", "replacement": f"127.0.0.1:{JSON_EXPORTER_PORT}"},
        ],
    }


def alerts() -> list[dict[str, Any]]:
    return [
        settings.alert("MesosHasNoLeader", "sum(mesos_elected) != 1", "not exactly one Mesos master leads"),
        settings.alert(
            "MesosAgentsDisconnected",
            "max(mesos_slaves_disconnected) > 0",
            "{{ $value }} Mesos agents are disconnected from the leading master",
        ),
    ]


def _metric(name: str, kind: str) -> dict[str, str]:
    key = f"master/{name}"
    return {"name": f"mesos_{name}", "path": f"{{['{key}']}}", "help": f"Mesos' {key}", "valuetype": kind}
