"""CentOS and distributions that are built from it: cloud-config user data, packages from dnf.

Rule: only for engines that need it. Version 8 at least, because the agent needs curl 7.55.
"""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import MachineSetup, OperatingSystem
from shared.drivers import cloud_config


class Centos:
    name = "centos"
    distros: Sequence[str] = ("centos", "rhel")
    packages: str | None = "dnf"
    replaces_machines = False
    programs_directory = "/usr/local/sbin"

    def user_data(self, machine: MachineSetup) -> str:
        """The `#cloud-config` of one machine."""
        return cloud_config.render(machine)


operating_system: OperatingSystem = Centos()
