"""Virtual machines: Nova servers with all features of Neutron and Cinder."""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import ClusterSpec, Hardware, NodegroupSpec


class VirtualMachine:
    name = "vm"
    server_types: Sequence[str] = ("vm",)
    floating_ips = True
    volumes = True
    server_groups = True
    config_drive = False
    vnic_type: str | None = None
    join_timeout_minutes: int | None = None

    def problems(self, cluster: ClusterSpec, nodegroup: NodegroupSpec) -> list[str]:
        return []


hardware: Hardware = VirtualMachine()
