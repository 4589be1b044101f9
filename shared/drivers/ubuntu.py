"""Ubuntu: cloud-config user data, packages from apt, upgraded in place."""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import MachineSetup, OperatingSystem
from shared.drivers import cloud_config


class Ubuntu:
    name = "ubuntu"
    distros: Sequence[str] = ("ubuntu",)
    packages: str | None = "apt"
    replaces_machines = False
    programs_directory = "/usr/local/sbin"

    def user_data(self, machine: MachineSetup) -> str:
        """The `#cloud-config` of one machine."""
        return cloud_config.render(machine)


operating_system: OperatingSystem = Ubuntu()
