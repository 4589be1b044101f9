"""The labels of Mesos clusters: types, defaults and checks.

Rule: Magnum's labels keep their names and their rules. Labels with the same effect for all engines are in
`jeroboam.driver.labels`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ValidationError

from jeroboam.driver import ClusterSpec, NodegroupSpec, described
from jeroboam.driver.label_types import Number, Ports, Tag
from shared.drivers.hosts.labels import VolumePluginLabels
from shared.drivers.monitoring.labels import DockerMonitoringLabels
from shared.drivers.monitoring.settings import NODE_EXPORTER_PORT, PROMETHEUS_PORT

MARATHON_PORT = 8080
MASTER_PORT = 5050
AGENT_PORT = 5051
ZOOKEEPER_PORT = 2181
CADVISOR_PORT = 9101
JSON_EXPORTER_PORT = 7979
# Ports of masters that Marathon cannot have.
TAKEN_PORTS = {
    MASTER_PORT: "the Mesos master",
    ZOOKEEPER_PORT: "ZooKeeper's clients",
    2888: "ZooKeeper's followers",
    3888: "ZooKeeper's elections",
}
# Ports of agents that Grafana cannot have, and those that agents offer to tasks.
AGENT_PORTS = {
    AGENT_PORT: "the Mesos agent",
    NODE_EXPORTER_PORT: "the node exporter",
    CADVISOR_PORT: "cAdvisor",
    PROMETHEUS_PORT: "Prometheus",
    JSON_EXPORTER_PORT: "the JSON exporter",
}
TASK_PORTS = range(31000, 32001)
AGENT_LABELS = frozenset(
    {
        "mesos_slave_isolation",
        "mesos_slave_image_providers",
        "mesos_slave_work_dir",
        "mesos_slave_executor_env_variables",
    }
)
ISOLATORS = (
    *("filesystem/posix", "filesystem/linux", "filesystem/shared", "posix/cpu", "posix/mem", "posix/disk"),
    *("cgroups/cpu", "cgroups/mem", "docker/runtime", "namespaces/pid"),
)
PROVIDERS = ("docker", "appc")
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
MOST_VARIABLES = 100


def _listed(value: str, known: Sequence[str]) -> str:
    words = [word for part in value.split(",") if (word := part.strip())]
    if unknown := [word for word in words if word not in known]:
        raise ValueError(f"{unknown[0][:100]!r} is not one of {', '.join(known)}")
    return ",".join(dict.fromkeys(words))


def _isolation(value: str) -> str:
    return _listed(value, ISOLATORS)


def _image_providers(value: str) -> str:
    return _listed(value, PROVIDERS)


def _directory(value: str) -> str:
    path = value.rstrip("/")
    if len(path) > 255 or not _PATH.fullmatch(path):
        raise ValueError(
            "must be an absolute path of letters, digits, '_', '.', '-' and '/', such as /var/lib/mesos/agent"
        )
    return path


def _variables(value: str) -> str:
    wrong = 'must be a JSON object of names and texts, such as {"LANG": "C.UTF-8"}'
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError(wrong) from None
    if not isinstance(found, dict) or len(found) > MOST_VARIABLES:
        raise ValueError(f"{wrong}, at most {MOST_VARIABLES}")
    for name, text in found.items():
        if not _VARIABLE.fullmatch(name) or not isinstance(text, str) or "\0" in text:
            raise ValueError(f"{wrong}: {name[:100]!r} is not a variable with a text")
    return json.dumps(found, sort_keys=True)


Isolation = Annotated[str, AfterValidator(_isolation)]
ImageProviders = Annotated[str, AfterValidator(_image_providers)]
Directory = Annotated[str, AfterValidator(_directory)]
Variables = Annotated[str, AfterValidator(_variables)]


class Labels(DockerMonitoringLabels, VolumePluginLabels):
    """The labels of a cluster; docs/mesos-driver.md documents them."""

    of_machines: ClassVar[frozenset[str]] = VolumePluginLabels.of_machines | AGENT_LABELS
    monitoring_images: ClassVar[tuple[str, ...]] = (*DockerMonitoringLabels.monitoring_images, "json-exporter")

    mesos_slave_isolation: Isolation = described(
        "", f"isolators separated by commas: {', '.join(f'`{name}`' for name in ISOLATORS)}", shown="Mesos'"
    )
    mesos_slave_image_providers: ImageProviders = described(
        "", "`docker`, `appc` or both; `docker` needs the isolator `docker/runtime`"
    )
    mesos_slave_work_dir: Directory = described("/var/lib/mesos/agent", "working directory of agents")
    mesos_slave_executor_env_variables: Variables = described("", "JSON object of environment variables of executors")
    published_ports: Ports = described("31000-32000", "ports that everybody may reach on agents")
    json_exporter_tag: Tag = described("v0.7.0", "tag of the JSON exporter's image, for Mesos' own metrics")
    prometheus_memory: Number = described(
        512, "memory of Prometheus, MiB, which its agent must have; it is killed if it needs more", ge=128, le=1048576
    )


def read_labels(cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> Labels:
    """The labels of a cluster, or of one of its nodegroups. Raises pydantic.ValidationError."""
    return Labels.read(cluster, nodegroup)


def marathon_port(cluster: ClusterSpec) -> int:
    """The port of Marathon's API on the masters."""
    return cluster.apiserver_port or MARATHON_PORT


def problems(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
    """All problems with labels and ports, as sentences for the user."""
    found = Labels.problems(cluster)
    whole = bool(not found)
    for group in nodegroups:
        wrong = Labels.problems(cluster, group)
        found += wrong
        if whole and not wrong:
            found += Labels.contradictions(cluster, group)
            found += _runtime_problems(read_labels(cluster, group))
    try:
        labels = read_labels(cluster)
        found += [*_runtime_problems(labels), *labels.monitoring_problems, *_port_problems(labels)]
    except ValidationError:
        pass  # named above
    if (port := marathon_port(cluster)) in TAKEN_PORTS:
        found.append(f"apiserver_port: {port} is used by {TAKEN_PORTS[port]}; use another, such as {MARATHON_PORT}")
    return list(dict.fromkeys(found))


def _runtime_problems(labels: Labels) -> list[str]:
    providers, isolators = labels.mesos_slave_image_providers.split(","), labels.mesos_slave_isolation.split(",")
    if "docker" in providers and "docker/runtime" not in isolators:
        return ["label mesos_slave_image_providers: docker needs docker/runtime in the label mesos_slave_isolation"]
    return []


def _port_problems(labels: Labels) -> list[str]:
    port = labels.grafana_port
    user = "tasks" if port in TASK_PORTS else AGENT_PORTS.get(port)
    if not labels.monitoring_enabled or user is None:
        return []
    return [f"label grafana_port: {port} is used by {user}; use another, such as 3000"]
