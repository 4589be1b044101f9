"""The hardware: what ports and servers of this kind can have."""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import ClusterSpec, Hardware, HardwareDefaults, NodegroupSpec


class ExampleRack(HardwareDefaults):
    """Machines without volumes and floating IPs, slower to start than VMs."""

    name = "example-rack"
    server_types: Sequence[str] = ("bm",)
    floating_ips = False
    volumes = False
    server_groups = False
    config_drive = True
    join_timeout_minutes: int | None = 90

    def problems(self, cluster: ClusterSpec, nodegroup: NodegroupSpec) -> list[str]:
        if nodegroup.docker_volume_size:
            return [f"nodegroup {nodegroup.name}: docker_volume_size: no volumes can be attached to racks"]
        return []


hardware: Hardware = ExampleRack()
