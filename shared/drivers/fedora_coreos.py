"""Fedora CoreOS: Ignition user data, no packages, upgraded by replacing machines."""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import File, MachineSetup, OperatingSystem
from shared.drivers import ignition

# Zincati reboots machines into new versions by itself; nodes are upgraded by their cluster's operations instead.
_UPDATES = File("/etc/zincati/config.d/90-jeroboam.toml", "[updates]\nenabled = false\n")


class FedoraCoreos:
    name = "fedora-coreos"
    distros: Sequence[str] = ("fedora-coreos",)
    packages: str | None = None
    replaces_machines = True
    programs_directory = "/usr/local/bin"  # a link into /var; programs there may be run under SELinux

    def user_data(self, machine: MachineSetup) -> str:
        """The Ignition configuration of one machine."""
        return ignition.render(machine, [_UPDATES])


operating_system: OperatingSystem = FedoraCoreos()
