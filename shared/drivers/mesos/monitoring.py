"""Monitoring on Mesos: files of masters and agents, and the commands that start it.

Rule: masters have the apps with Grafana's password in a file; a command to one of them hands it to Marathon. Prometheus
and Grafana run on one agent, so that the metrics stay where they are; a command to this agent writes what is scraped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from jeroboam.driver import (
    WORKER,
    BootstrapContext,
    EngineDefaults,
    NodeAction,
    NodegroupSpec,
    NodeSpec,
    joined_masters,
    masters,
)
from shared.drivers.mesos import master_metrics, scripts
from shared.drivers.mesos.labels import CADVISOR_PORT, Labels
from shared.drivers.mesos.monitoring_apps import APP_LABEL, CONFIGURATION, group, password
from shared.drivers.mesos_agents.files import ETC, file
from shared.drivers.monitoring import grafana, settings
from shared.drivers.monitoring.settings import NODE_EXPORTER_PORT, RULES_FILE

AGENTS_FILE = "agents.json"  # of Prometheus' file-based service discovery
_DEPLOY, _TARGETS = "deploy-monitoring", "note-targets"


def of_master(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    """The apps, and the command that deploys them; empty without monitoring."""
    admin = password(context.secrets, labels)
    if admin is None:
        return []
    return [file(f"{CONFIGURATION}/group.json", json.dumps(group(labels, admin), indent=1), "0600"), _command(_DEPLOY)]


def of_agent(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    """What Prometheus and Grafana read, as they may run on any agent; empty without monitoring."""
    if not labels.monitoring_enabled:
        return []
    jobs = [
        _exporters("node-exporter", NODE_EXPORTER_PORT),
        _exporters("cadvisor", CADVISOR_PORT),
        master_metrics.job(masters(context.nodes)),
    ]
    texts = {
        "prometheus/prometheus.yml": settings.prometheus_config(context.cluster, labels, jobs),
        f"prometheus/{RULES_FILE}": settings.rules(master_metrics.alerts()),
        "grafana/datasources/prometheus.yaml": grafana.data_source("127.0.0.1"),
        "grafana/providers/provider.yaml": grafana.provider(),
        "grafana/dashboards/cluster.json": grafana.dashboard(APP_LABEL, 'image!=""', master_metrics.PANELS),
    }
    return [
        *(file(f"{CONFIGURATION}/{name}", text) for name, text in texts.items()),
        file(f"{CONFIGURATION}/json-exporter.yml", master_metrics.exporter_config(context.secrets), "0600"),
        file(f"{ETC}/monitoring.sh", scripts.text("monitoring.sh")),
        _command(_TARGETS),
    ]


def settle(labels: Labels, nodegroups: Sequence[NodegroupSpec], nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    """After nodes have joined or left: tell Prometheus of all agents, and Marathon of their number."""
    agents = [node for node in nodes if not node.is_master and node.ip_address is not None]
    home, helpers = _home(nodegroups, agents), joined_masters(nodes)
    if not labels.monitoring_enabled or home is None or not helpers:
        return []
    listed = " ".join(f"{node.name}/{node.ip_address}" for node in agents)
    return [
        NodeAction(home.uuid, _TARGETS, {"agents": listed}),
        NodeAction(helpers[0].uuid, _DEPLOY, {"agents": len(agents), "home": home.uuid}),
    ]


def _home(nodegroups: Sequence[NodegroupSpec], agents: Sequence[NodeSpec]) -> NodeSpec | None:
    """The agent of Prometheus and Grafana: the first one that works, of the default nodegroup if possible. Another one
    is chosen only when it fails or leaves."""
    default = {group.uuid for group in nodegroups if group.name == EngineDefaults.default_names[WORKER]}
    working = [node for node in agents if node.has_joined]
    return min(
        working, key=lambda node: (node.nodegroup_id not in default, node.nodegroup_id, node.index), default=None
    )


def _exporters(name: str, port: int) -> dict[str, object]:
    return {
        "job_name": name,
        "file_sd_configs": [{"files": [AGENTS_FILE]}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__address__", "replacement": f"$1:{port}"}
        ],
    }


def _command(name: str) -> dict[str, str]:
    return file(f"{ETC}/commands.d/{name}", scripts.text(f"commands/{name}.sh"), "0755")
