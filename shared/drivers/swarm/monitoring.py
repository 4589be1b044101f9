"""Monitoring on a swarm: a stack with the node exporter and cAdvisor on every node, Prometheus, and Grafana.

Rule: configurations and secrets of a swarm cannot be changed, so their names contain a hash of their contents. The
exporters are found by the swarm's DNS: Prometheus needs no access to Docker's API, which would be root's.
Source: Docker's reference of compose files of version 3.8, and cAdvisor's documentation of running in a container.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import yaml

from jeroboam.driver import BootstrapContext, Secret
from shared.drivers.monitoring import grafana, settings
from shared.drivers.monitoring.settings import GRAFANA_PORT, NODE_EXPORTER_PORT, PASSWORD_FILE, RULES_FILE
from shared.drivers.swarm.labels import Labels

DIRECTORY = "/etc/jeroboam/monitoring"
KEY = "vrrp"  # the secret from which Grafana's password is derived; only managers have it
CADVISOR_PORT = 8080
_SERVICE = "com.docker.swarm.service.name"
Json = dict[str, Any]


def password(secrets: Mapping[str, Secret], labels: Labels) -> str | None:
    """The password of Grafana's user `admin`; None without monitoring."""
    return settings.admin_password(labels, secrets[KEY].secret) if labels.monitoring_enabled else None


def files(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    """The stack file and what it refers to, for managers; empty without monitoring."""
    admin = password(context.secrets, labels)
    if admin is None:
        return []
    configs = {
        "prometheus.yml": settings.prometheus_config(context.cluster, labels, _jobs()),
        RULES_FILE: settings.rules(),
        "datasource.yml": grafana.data_source("prometheus"),
        "provider.yml": grafana.provider(),
        "cluster.json": grafana.dashboard("container_label_com_docker_swarm_service_name", 'image!=""'),
    }
    stack = yaml.safe_dump(_stack(labels, configs, admin), sort_keys=False)
    texts = {**configs, PASSWORD_FILE: admin, "stack.yml": stack}
    return [{"path": f"{DIRECTORY}/{name}", "content": text, "mode": "0600"} for name, text in texts.items()]


def _jobs() -> list[Json]:
    return [
        {
            "job_name": name,
            "dns_sd_configs": [{"names": [f"tasks.{name}"], "type": "A", "port": port, "refresh_interval": "30s"}],
        }
        for name, port in (("node-exporter", NODE_EXPORTER_PORT), ("cadvisor", CADVISOR_PORT))
    ]


def _stack(labels: Labels, configs: Mapping[str, str], admin: str) -> Json:
    def image(name: str, tag: str) -> str:
        return settings.image(labels.container_infra_prefix, "", name, tag)

    return {
        "version": "3.8",
        "networks": {"metrics": {"driver": "overlay"}},
        "volumes": {"prometheus": {}},
        "configs": {name: _named(name, text) for name, text in configs.items()},
        "secrets": {PASSWORD_FILE: _named(PASSWORD_FILE, admin)},
        "services": {
            "node-exporter": {
                "image": image("node-exporter", labels.node_exporter_tag),
                # Its metric node_uname_info then has the name of the node.
                "hostname": "{{.Node.Hostname}}",
                "user": f"{settings.UNPRIVILEGED}:{settings.UNPRIVILEGED}",
                # Compose files are read with variables in them.
                "command": [each.replace("$", "$$") for each in settings.node_exporter_arguments(["docker"])],
                "volumes": [{"type": "bind", "source": "/", "target": "/host", "read_only": True}],
                "ports": [{"target": NODE_EXPORTER_PORT, "published": NODE_EXPORTER_PORT, "mode": "host"}],
                "networks": ["metrics"],
                "deploy": {"mode": "global"},
            },
            "cadvisor": {
                "image": image("cadvisor", labels.cadvisor_tag),
                "command": settings.cadvisor_arguments(f"--whitelisted_container_labels={_SERVICE}"),
                "volumes": [
                    {"type": "bind", "source": source, "target": target, "read_only": True}
                    for source, target in settings.CADVISOR_READS.items()
                ],
                "networks": ["metrics"],
                "deploy": {"mode": "global"},
            },
            "prometheus": {
                "image": image("prometheus", labels.prometheus_tag),
                "command": settings.prometheus_arguments(labels),
                "configs": [_at(name, f"/etc/prometheus/{name}") for name in ("prometheus.yml", RULES_FILE)],
                "volumes": [{"type": "volume", "source": "prometheus", "target": "/prometheus"}],
                "networks": ["metrics"],
            },
            "grafana": {
                "image": image("grafana", labels.grafana_tag),
                "environment": {
                    **settings.GRAFANA_ENVIRONMENT,
                    "GF_SECURITY_ADMIN_PASSWORD__FILE": f"/run/secrets/{PASSWORD_FILE}",
                },
                "configs": [
                    _at("datasource.yml", f"{grafana.PROVISIONING}/datasources/prometheus.yaml"),
                    _at("provider.yml", f"{grafana.PROVISIONING}/dashboards/provider.yaml"),
                    _at("cluster.json", f"{grafana.DASHBOARDS}/cluster.json"),
                ],
                "secrets": [_at(PASSWORD_FILE, f"/run/secrets/{PASSWORD_FILE}") | {"uid": "472", "mode": 0o400}],
                "ports": [{"target": GRAFANA_PORT, "published": labels.grafana_port, "mode": "ingress"}],
                "networks": ["metrics"],
            },
        },
    }


def _named(name: str, text: str) -> Json:
    digest = sha256(text.encode()).hexdigest()[:12]
    return {"name": f"monitoring-{name.replace('.', '-')}-{digest}", "file": f"./{name}"}


def _at(name: str, target: str) -> Json:
    return {"source": name, "target": target}
