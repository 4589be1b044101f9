"""The operating system: turns the first files and units of a machine into what its first boot reads."""

from __future__ import annotations

import json
from collections.abc import Sequence

from jeroboam.driver import MachineSetup, OperatingSystem


class ExampleOs:
    """A system whose first boot reads one JSON document."""

    name = "example-os"
    distros: Sequence[str] = ("example-os",)
    packages: str | None = None
    replaces_machines = False
    programs_directory = "/opt/bin"

    def user_data(self, machine: MachineSetup) -> str:
        files = [{"path": file.path, "content": file.content, "mode": file.mode} for file in machine.files]
        units = [{"path": f"/etc/units/{unit.name}", "content": unit.content} for unit in machine.units]
        keys = [machine.ssh_public_key] if machine.ssh_public_key else []
        return json.dumps({"hostname": machine.hostname, "write_files": files + units, "ssh_keys": keys})


operating_system: OperatingSystem = ExampleOs()
