"""The labels for what machines trust and where their images and volume plug-ins come from, for all built-in engines.

Rule: they are read when a machine joins, so a nodegroup can have its own, and a change applies to later machines.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator

from jeroboam.driver import ClusterSpec, InfrastructureLabels, NodegroupSpec
from jeroboam.driver.label_specs import described
from jeroboam.driver.labels import MACHINE_LABELS
from shared.drivers.hosts import authorities, plugins, registries

LONGEST = 16 * 1024


def _mirrors(value: str) -> str:
    registries.parse_mirrors(_short(value))
    return value


def _registries(value: str) -> str:
    registries.parse_registries(_short(value))
    return value


def _plugins(value: str) -> str:
    plugins.parse_plugins(_short(value))
    return value


def _settings(value: str) -> str:
    plugins.parse_settings(_short(value, 2 * plugins.MOST_SETTINGS * plugins.LONGEST_SETTING))
    return value


def _short(value: str, longest: int = LONGEST) -> str:
    if len(value) > longest:
        raise ValueError(f"must be at most {longest // 1024} KiB")
    return value


Certificates = Annotated[str, AfterValidator(authorities.parse)]
Mirrors = Annotated[str, AfterValidator(_mirrors)]
Registries = Annotated[str, AfterValidator(_registries)]
Plugins = Annotated[str, AfterValidator(_plugins)]
Settings = Annotated[str, AfterValidator(_settings)]

HOST_LABELS = frozenset({"extra_ca_certificates", "registry_mirrors", "insecure_registries"})
PLUGIN_LABELS = frozenset({"docker_volume_plugins", "docker_volume_plugin_options"})


class HostLabels(InfrastructureLabels):
    """The labels of machines whose images come from registries."""

    of_machines: ClassVar[frozenset[str]] = MACHINE_LABELS | HOST_LABELS
    # Whether Docker pulls the images; it has mirrors of Docker Hub only.
    docker: ClassVar[bool] = True

    extra_ca_certificates: Certificates = described(
        "", "PEM of authorities that nodes trust besides those of their system and the operator's; at most 20"
    )
    registry_mirrors: Mirrors = described(
        "",
        "URLs of mirrors of Docker Hub, separated by blanks, at most 20; where Docker does not pull the images also "
        "`registry=URL`, for mirrors of another registry",
    )
    insecure_registries: Registries = described(
        "", "`host:port` of registries and mirrors without verified TLS, separated by blanks, at most 20"
    )

    @property
    def mirrors(self) -> registries.Mirrors:
        return registries.parse_mirrors(self.registry_mirrors)

    @property
    def insecure_hosts(self) -> list[str]:
        return registries.parse_registries(self.insecure_registries)

    @classmethod
    def problems(cls, cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> list[str]:
        """Also the problems of labels with each other."""
        return super().problems(cluster, nodegroup) or cls.read(cluster, nodegroup).combined_problems(cluster)

    def combined_problems(self, cluster: ClusterSpec) -> list[str]:
        return registries.problems(cluster, self.mirrors, self.insecure_hosts, docker=self.docker)

    def daemon_settings(self, cluster: ClusterSpec) -> dict[str, list[str]]:
        """What Docker's daemon.json contains for mirrors and insecure registries."""
        return registries.daemon_settings(cluster, self.mirrors, self.insecure_hosts)


class VolumePluginLabels(HostLabels):
    """The labels of machines on which Docker has volume plug-ins."""

    of_machines: ClassVar[frozenset[str]] = HostLabels.of_machines | PLUGIN_LABELS

    docker_volume_plugins: Plugins = described(
        "", "volume plug-ins as `alias=image`, separated by blanks, at most 10; needed for a template's `volume_driver`"
    )
    docker_volume_plugin_options: Settings = described(
        "",
        "settings of volume plug-ins as `alias:NAME=value`, separated by blanks, at most 50; everybody who can see the "
        "cluster sees them",
    )

    def combined_problems(self, cluster: ClusterSpec) -> list[str]:
        return [
            *super().combined_problems(cluster),
            *plugins.problems(cluster, self.docker_volume_plugins, self.docker_volume_plugin_options),
        ]

    def plugin_files(self) -> list[dict[str, str]]:
        return plugins.files(self.docker_volume_plugins, self.docker_volume_plugin_options)
