"""Virtual machines: Nova servers with all features of Neutron and Cinder."""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import Hardware, HardwareDefaults


class VirtualMachine(HardwareDefaults):
    name = "vm"
    server_types: Sequence[str] = ("vm",)
    resource_class: bool | None = False


hardware: Hardware = VirtualMachine()
