"""What Prometheus and Grafana are started with, whatever runs them.

Source: the documentation of Prometheus' and the node exporter's options, and of Grafana's settings.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from jeroboam.driver import ClusterSpec
from shared.drivers.monitoring.labels import MonitoringLabels

PROMETHEUS_PORT = 9090
GRAFANA_PORT = 3000
NODE_EXPORTER_PORT = 9100
PASSWORD_FILE = "grafana-admin-password"  # noqa: S105 - a name
UNPRIVILEGED = 65534  # user and group of Prometheus' image
RULES_FILE = "rules.yml"
# File systems that store nothing, or only what others store already.
_PSEUDO = (
    *("autofs", "binfmt_misc", "bpf", "cgroup2?", "configfs", "debugfs", "devpts", "devtmpfs", "fusectl", "hugetlbfs"),
    *("mqueue", "nsfs", "overlay", "proc", "pstore", "securityfs", "squashfs", "sysfs", "tmpfs", "tracefs"),
)
# Directories of the machine -> where cAdvisor reads them in its container.
CADVISOR_READS: Mapping[str, str] = {
    "/": "/rootfs",
    "/var/run/docker.sock": "/var/run/docker.sock",
    "/sys": "/sys",
    "/var/lib/docker": "/var/lib/docker",
}
GRAFANA_ENVIRONMENT: Mapping[str, str] = {
    "GF_SECURITY_ADMIN_USER": "admin",
    "GF_USERS_ALLOW_SIGN_UP": "false",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
}


def admin_password(labels: MonitoringLabels, key: str) -> str:
    """The password of Grafana's user `admin`: that of the label, or one derived from a secret of the cluster.

    Args:
        key: a secret that only masters have, and that never changes.
    """
    digest = hmac.digest(key.encode(), b"grafana administrator", "sha256")
    return labels.grafana_admin_passwd or base64.urlsafe_b64encode(digest).decode()[:24]


def image(prefix: str, path: str, name: str, tag: str) -> str:
    """An image of the add-on.

    Args:
        prefix: the label container_infra_prefix: a registry that contains all images in one directory.
        path: the directory in which the project publishes it, in the registry that is used for images that name none.
    """
    return f"{prefix or path}{name}:{tag}"


def prometheus_arguments(labels: MonitoringLabels) -> list[str]:
    return [
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
        f"--storage.tsdb.retention.time={labels.monitoring_retention_days}d",
        f"--storage.tsdb.retention.size={labels.monitoring_retention_size}GB",
    ]


def volume_size(labels: MonitoringLabels) -> int:
    """The size of Prometheus' volume, GiB: it needs more than it keeps while it compacts."""
    return labels.monitoring_retention_size * 5 // 4 + 1


def node_exporter_arguments(mounting: Sequence[str]) -> list[str]:
    """Args: mounting: directories in /var/lib in which the engine mounts the file systems of containers."""
    return [
        "--path.rootfs=/host",
        f"--web.listen-address=:{NODE_EXPORTER_PORT}",
        f"--collector.filesystem.fs-types-exclude=^({'|'.join(_PSEUDO)})$",
        f"--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/({'|'.join(mounting)})/.+)($|/)",
        "--collector.netdev.device-exclude=^(veth|cali|lxc).*",
    ]


def cadvisor_arguments(*own: str) -> list[str]:
    """Args: own: options that say by which labels of Docker's containers the metrics are told apart."""
    return ["--docker_only=true", "--store_container_labels=false", *own]


def prometheus_config(cluster: ClusterSpec, labels: MonitoringLabels, jobs: Sequence[Mapping[str, Any]]) -> str:
    """prometheus.yml. Args: jobs: what the engine adds to Prometheus' own metrics."""
    interval = f"{labels.monitoring_interval_seconds}s"
    own = {"job_name": "prometheus", "static_configs": [{"targets": [f"localhost:{PROMETHEUS_PORT}"]}]}
    config = {
        "global": {
            "scrape_interval": interval,
            "evaluation_interval": interval,
            "scrape_timeout": f"{min(10, labels.monitoring_interval_seconds)}s",
            "external_labels": {"cluster": cluster.name, "cluster_uuid": cluster.uuid},
        },
        "rule_files": [RULES_FILE],
        "scrape_configs": [own, *jobs],
    }
    return yaml.safe_dump(config, sort_keys=False)


def rules(own: Sequence[Mapping[str, Any]] = ()) -> str:
    """rules.yml: alerts, which Prometheus and Grafana show; there is no Alertmanager.

    Args:
        own: what the engine adds, made by `alert`.
    """
    alerts = [
        alert("TargetDown", "up == 0", "{{ $labels.job }} on {{ $labels.instance }} cannot be scraped"),
        alert(
            "FilesystemAlmostFull",
            'node_filesystem_avail_bytes{fstype!=""} / node_filesystem_size_bytes < 0.1',
            "less than 10 % of {{ $labels.mountpoint }} on {{ $labels.instance }} is available",
        ),
        alert(
            "MemoryAlmostFull",
            "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 0.05",
            "less than 5 % of the memory of {{ $labels.instance }} is available",
        ),
        alert(
            "ClockNotSynchronized",
            "node_timex_sync_status == 0 and node_timex_maxerror_seconds >= 16",
            "the clock of {{ $labels.instance }} is not synchronized",
        ),
        *own,
    ]
    return yaml.safe_dump({"groups": [{"name": "jeroboam", "rules": alerts}]}, sort_keys=False)


def alert(name: str, expression: str, summary: str) -> dict[str, Any]:
    """A rule for an alert after ten minutes. Args: summary: a template for labels of the expression's series."""
    return {"alert": name, "expr": expression, "for": "10m", "annotations": {"summary": summary}}
