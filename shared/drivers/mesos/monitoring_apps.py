"""The Marathon apps of monitoring: the node exporter and cAdvisor on every agent, Prometheus and Grafana on one.

Rule: all of them use the network of their machine, on ports that are no resources of Mesos: agents offer 31000 to 32000
only. `networks` is left out because Marathon before 1.5 rejects it, and because the default is the machine's network.
Source: Marathon's reference of app definitions and groups, and its documentation of constraints and networking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jeroboam.driver import Secret
from shared.drivers.mesos import credentials
from shared.drivers.mesos.labels import CADVISOR_PORT, JSON_EXPORTER_PORT, Labels
from shared.drivers.mesos_agents.attributes import NODE
from shared.drivers.monitoring import grafana, settings
from shared.drivers.monitoring.settings import PROMETHEUS_PORT

GROUP = "monitoring"
# What the command that deploys the group replaces, the first one by a number.
AGENTS, HOME = "@AGENTS@", "@HOME@"
CONFIGURATION = "/etc/jeroboam/monitoring"
DATA = "/var/lib/jeroboam/monitoring"
# The variable in which Marathon's tasks carry the path of their app; cAdvisor's label has it in small letters.
APP_VARIABLE = "MARATHON_APP_ID"
APP_LABEL = f"container_env_{APP_VARIABLE.lower()}"
Json = dict[str, Any]


def password(secrets: Mapping[str, Secret], labels: Labels) -> str | None:
    """The password of Grafana's user `admin`; None without monitoring."""
    return settings.admin_password(labels, secrets[credentials.SECRET].secret) if labels.monitoring_enabled else None


def group(labels: Labels, admin: str) -> Json:
    """The group, as `PUT /v2/groups/monitoring` takes it. Args: admin: the password of Grafana's user `admin`."""

    def image(name: str, tag: str) -> str:
        return settings.image(labels.container_infra_prefix, "", name, tag)

    loopback = "--web.listen-address=127.0.0.1"
    apps = [
        _everywhere(
            "node-exporter",
            image("node-exporter", labels.node_exporter_tag),
            settings.node_exporter_arguments(["docker"]),
            [_read("/", "/host")],
            cpus=0.05,
            mem=64,
        ),
        _everywhere(
            "cadvisor",
            image("cadvisor", labels.cadvisor_tag),
            settings.cadvisor_arguments(f"--env_metadata_whitelist={APP_VARIABLE}", f"--port={CADVISOR_PORT}"),
            [_read(source, target) for source, target in settings.CADVISOR_READS.items()],
            cpus=0.1,
            mem=256,
        ),
        _at_home(
            "json-exporter",
            image("json-exporter", labels.json_exporter_tag),
            ["--config.file=/etc/json-exporter/config.yml", f"{loopback}:{JSON_EXPORTER_PORT}"],
            [_read(f"{DATA}/json-exporter", "/etc/json-exporter")],
            cpus=0.05,
            mem=64,
        ),
        _at_home(
            "prometheus",
            image("prometheus", labels.prometheus_tag),
            [*settings.prometheus_arguments(labels), f"{loopback}:{PROMETHEUS_PORT}"],
            [
                _read(f"{CONFIGURATION}/prometheus", "/etc/prometheus"),
                {"hostPath": f"{DATA}/prometheus", "containerPath": "/prometheus", "mode": "RW"},
            ],
            cpus=0.25,
            mem=labels.prometheus_memory,
            # It writes its newest metrics when it ends.
            taskKillGracePeriodSeconds=60,
        ),
        _at_home(
            "grafana",
            image("grafana", labels.grafana_tag),
            [],
            [
                _read(f"{CONFIGURATION}/grafana/datasources", f"{grafana.PROVISIONING}/datasources"),
                _read(f"{CONFIGURATION}/grafana/providers", f"{grafana.PROVISIONING}/dashboards"),
                _read(f"{CONFIGURATION}/grafana/dashboards", grafana.DASHBOARDS),
            ],
            cpus=0.2,
            mem=512,
            env={
                **settings.GRAFANA_ENVIRONMENT,
                "GF_SERVER_HTTP_PORT": str(labels.grafana_port),
                "GF_SECURITY_ADMIN_PASSWORD": admin,
            },
        ),
    ]
    return {"id": f"/{GROUP}", "apps": apps}


def _everywhere(name: str, image: str, arguments: Sequence[str], volumes: Sequence[Json], **fields: Any) -> Json:
    """An app with one instance on every agent."""
    places = {"instances": AGENTS, "constraints": [["hostname", "UNIQUE"]]}
    return _app(name, image, arguments, volumes) | places | fields


def _at_home(name: str, image: str, arguments: Sequence[str], volumes: Sequence[Json], **fields: Any) -> Json:
    """An app with one instance, on the agent that has the data."""
    places = {"instances": 1, "constraints": [[NODE, "CLUSTER", HOME]]}
    return _app(name, image, arguments, volumes) | places | fields


def _app(name: str, image: str, arguments: Sequence[str], volumes: Sequence[Json]) -> Json:
    return {
        "id": f"/{GROUP}/{name}",
        **({"args": list(arguments)} if arguments else {}),
        "container": {"type": "DOCKER", "docker": {"image": image}, "volumes": list(volumes)},
        "portDefinitions": [],
        # The port of an instance is free only when the instance before it has ended.
        "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
    }


def _read(source: str, target: str) -> Json:
    return {"hostPath": source, "containerPath": target, "mode": "RO"}
