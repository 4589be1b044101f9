"""The labels of the monitoring add-on. Magnum's names, where it had them."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from jeroboam.driver.label_specs import described
from jeroboam.driver.label_types import Number, Prefix, Tag
from shared.drivers.hosts.labels import HostLabels


def _password(value: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,128}", value):
        raise ValueError("must be 1 to 128 printable ASCII characters without blanks")
    return value


Password = Annotated[str, AfterValidator(_password)]


class MonitoringLabels(HostLabels):
    """The labels of a cluster that can be monitored. Sizes in GiB."""

    monitoring_enabled: bool = described(
        False, "Prometheus, Grafana, and metrics of nodes and containers, in the cluster (docs/monitoring.md)"
    )
    monitoring_retention_days: Number = described(14, "days for which Prometheus keeps metrics", ge=1, le=3650)
    monitoring_retention_size: Number = described(14, "space for metrics, GiB; the oldest are deleted", ge=1, le=16384)
    monitoring_interval_seconds: Number = described(30, "interval at which metrics are collected", ge=5, le=3600)
    grafana_admin_passwd: Password | None = described(
        None,
        "password of Grafana's user `admin`; everybody who can see the cluster sees its labels",
        shown="a generated one, part of the client configuration of administrators",
    )
    prometheus_tag: Tag = described("v3.5.0", "tag of Prometheus' image")
    grafana_tag: Tag = described("12.0.2", "tag of Grafana's image")
    node_exporter_tag: Tag = described("v1.9.1", "tag of the node exporter's image")


class DockerMonitoringLabels(MonitoringLabels):
    """The labels of a cluster whose engine runs the add-on in Docker, cAdvisor included."""

    # What `container_infra_prefix` has to contain.
    monitoring_images: ClassVar[tuple[str, ...]] = ("prometheus", "grafana", "node-exporter", "cadvisor")

    container_infra_prefix: Prefix = described(
        "", "registry prefix of the images of `monitoring_enabled`, which needs it: they are not all in one registry"
    )
    cadvisor_tag: Tag = described("v0.52.1", "tag of cAdvisor's image")
    grafana_port: Number = described(3000, "port of Grafana on nodes; `published_ports` opens it", ge=1024, le=65535)

    @property
    def monitoring_problems(self) -> list[str]:
        """Problems of the labels with each other, as sentences for the user."""
        if not self.monitoring_enabled or self.container_infra_prefix:
            return []
        *names, last = self.monitoring_images
        images = f"{', '.join(names)} and {last}"
        return [f"label container_infra_prefix: monitoring_enabled needs a registry with the images {images}"]
