"""Bare metal: machines of Ironic, which Nova gives out whole."""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import ClusterSpec, Hardware, HardwareDefaults, NodegroupSpec
from jeroboam.driver.labels import boots_from_volume

# A machine runs its firmware's tests before it boots its disk, so its agent reports late.
JOIN_MINUTES = 90


class BareMetal(HardwareDefaults):
    """Nova counts the members of a server group by compute service, and one service has hundreds of Ironic's nodes, so
    anti-affinity would refuse a second machine. Ironic sets the vNIC type of the ports itself."""

    name = "bare-metal"
    server_types: Sequence[str] = ("bm",)
    floating_ips = False
    volumes = False
    server_groups = False
    config_drive = True
    join_timeout_minutes: int | None = JOIN_MINUTES
    existing_network = True
    resource_class: bool | None = True

    def problems(self, cluster: ClusterSpec, nodegroup: NodegroupSpec) -> list[str]:
        found = []
        if nodegroup.docker_volume_size:
            found.append(
                f"docker_volume_size: no volumes can be attached to the bare-metal machines of nodegroup "
                f"{nodegroup.name}; leave it out"
            )
        if boots_from_volume(nodegroup.labels, cluster.labels):
            found.append(
                f"label boot_volume_size: the bare-metal machines of nodegroup {nodegroup.name} boot from their own "
                "disks; leave it out, or set it to 0 for this nodegroup"
            )
        return found


hardware: Hardware = BareMetal()
