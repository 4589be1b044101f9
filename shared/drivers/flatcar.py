"""Flatcar Container Linux: Ignition user data, no packages, upgraded by replacing machines."""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import File, MachineSetup, OperatingSystem
from shared.drivers import ignition

# Without it, machines update and reboot by themselves; nodes are upgraded by their cluster's operations instead.
_UPDATES = File("/etc/flatcar/update.conf", "SERVER=disabled\nREBOOT_STRATEGY=off\n")


class Flatcar:
    name = "flatcar"
    distros: Sequence[str] = ("flatcar",)
    packages: str | None = None
    replaces_machines = True
    programs_directory = "/opt/bin"

    def user_data(self, machine: MachineSetup) -> str:
        """The Ignition configuration of one machine."""
        return ignition.render(machine, [_UPDATES])


operating_system: OperatingSystem = Flatcar()
