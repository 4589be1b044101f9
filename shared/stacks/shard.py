"""A shard: the stack with a port, a server and optional resources for each node of a part of a nodegroup.

Rule: the template contains the resources of each node separately, so that removing a node or changing its image is a
stack update that affects only this node. They are named `<kind>-<index>`, because a shard is changed by editing the
template stored in Heat. Changed user data never rebuilds a server: the agent fetches what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jeroboam.driver import (
    ClusterSpec,
    DataVolume,
    EndpointMode,
    Engine,
    Hardware,
    Infrastructure,
    InfrastructureLabels,
    NodegroupSpec,
    NodeSpec,
)
from shared.stacks.base_stack import security_group
from shared.stacks.endpoint import suffixes
from shared.stacks.hot import Resources, Template, get_attr, get_resource, resource, template


def render(
    engine: Engine,
    hardware: Hardware,
    cluster: ClusterSpec,
    nodegroup: NodegroupSpec,
    nodes: Sequence[NodeSpec],
    user_data: Mapping[str, str],
    base: Mapping[str, Any],
) -> Template:
    """The HOT of one shard.

    Args:
        user_data: node UUID -> the server's user data.
        base: outputs of the base stack.

    Returns a template whose outputs are `node-<index>`: {"server_id", "ip_address", "floating_ip" (or null)}. Each
    server has the metadata `jeroboam_cluster`, `jeroboam_nodegroup`, `jeroboam_node` (UUIDs).
    """
    shard = _Shard(
        cluster,
        nodegroup,
        hardware,
        InfrastructureLabels.read(cluster, nodegroup),
        engine.infrastructure(cluster, [nodegroup]),
        base,
        {},
    )
    outputs = {f"node-{node.index}": shard.add(node, user_data[node.uuid]) for node in nodes}
    return template(f"Jeroboam cluster {cluster.uuid}, nodegroup {nodegroup.name}", shard.resources, outputs)


@dataclass(frozen=True, slots=True)
class _Shard:
    cluster: ClusterSpec
    nodegroup: NodegroupSpec
    hardware: Hardware
    labels: InfrastructureLabels
    wanted: Infrastructure
    base: Mapping[str, Any]
    resources: Resources

    def add(self, node: NodeSpec, user_data: str) -> dict[str, Any]:
        """Add one node's resources. Returns its output."""
        own_port = not (node.is_master and self.cluster.endpoint_mode is EndpointMode.PORT and node.index == 0)
        port = f"port-{node.index}"
        if own_port:
            self._port(node, port)
        self._server(node, user_data, get_resource(port) if own_port else self.base["api_port"])
        stores = self.hardware.volumes and node.role not in self.wanted.without_containers
        if self.nodegroup.docker_volume_size and stores:
            own = DataVolume("", "", self.nodegroup.docker_volume_size, self.labels.docker_volume_type)
            self._volume(node, own, "containers", "/dev/vdb")
        for volume in self.wanted.volumes.get(node.role, ()) if self.hardware.volumes else ():
            self._volume(node, volume, volume.name, None)
        floating_ip = self._floating_ip(node, port) if own_port else self._endpoint_floating_ip()
        if node.is_master:
            self._members(node, port)
        return {
            "server_id": get_resource(f"node-{node.index}"),
            "ip_address": _address(port) if own_port else self.base["api_private_address"],
            "floating_ip": floating_ip,
        }

    def _port(self, node: NodeSpec, port: str) -> None:
        group = security_group(node.role)
        pairs, guarded = [*self.wanted.address_pairs], self.cluster.port_security
        if node.is_master and self.cluster.endpoint_mode is EndpointMode.VIRTUAL_IP:
            pairs.append(str(self.base["api_private_address"]))
        self.resources[port] = resource(
            "OS::Neutron::Port",
            {
                "name": node.name,
                "network": self.base["network_id"],
                "fixed_ips": [{"subnet": self.base["subnet_id"]}],
                # Roles defined by the user count as workers.
                "security_groups": [self.base.get(group) or self.base[security_group("worker")]] if guarded else None,
                "allowed_address_pairs": [{"ip_address": pair} for pair in pairs] or None if guarded else None,
                "binding:vnic_type": self.hardware.vnic_type,
            },
        )

    def _server(self, node: NodeSpec, user_data: str, port: Any) -> None:
        boot_volume = self.labels.boot_volume(self.nodegroup.image_id) if self.hardware.volumes else None
        grouped = node.is_master and self.hardware.server_groups
        self.resources[f"node-{node.index}"] = resource(
            "OS::Nova::Server",
            {
                "name": node.name,
                "flavor": self.nodegroup.flavor_id,
                "image": None if boot_volume else self.nodegroup.image_id,
                "block_device_mapping_v2": [boot_volume] if boot_volume else None,
                "networks": [{"port": port}],
                "availability_zone": self.labels.availability_zone(node.index),
                "scheduler_hints": {"group": self.base["master_server_group"]} if grouped else None,
                "config_drive": True if self.hardware.config_drive else None,
                "user_data_format": "RAW",
                "user_data": user_data,
                "user_data_update_policy": "IGNORE",
                "metadata": {
                    "jeroboam_cluster": self.cluster.uuid,
                    "jeroboam_nodegroup": self.nodegroup.uuid,
                    "jeroboam_node": node.uuid,
                },
            },
        )

    def _volume(self, node: NodeSpec, wanted: DataVolume, purpose: str, device: str | None) -> None:
        kind = f"{wanted.name}_" if wanted.name else ""
        volume = f"{kind}volume-{node.index}"
        self.resources[volume] = resource(
            "OS::Cinder::Volume",
            {"name": f"{node.name}-{purpose}", "size": wanted.size, "volume_type": wanted.type},
        )
        self.resources[f"{kind}attachment-{node.index}"] = resource(
            "OS::Cinder::VolumeAttachment",
            {
                "instance_uuid": get_resource(f"node-{node.index}"),
                "volume_id": get_resource(volume),
                "mountpoint": device,
            },
        )

    def _floating_ip(self, node: NodeSpec, port: str) -> Any:
        network = self.cluster.external_network_id
        if not self.cluster.floating_ip_enabled or network is None or not self.hardware.floating_ips:
            return None
        name = f"fip-{node.index}"
        self.resources[name] = resource(
            "OS::Neutron::FloatingIP", {"floating_network": network, "port_id": get_resource(port)}
        )
        return get_attr(name, "floating_ip_address")

    def _endpoint_floating_ip(self) -> Any:
        """The port of a single master belongs to the endpoint; its floating IP is that of the endpoint, if any."""
        public: Any = self.base["api_address"]
        return public if public != self.base["api_private_address"] else None

    def _members(self, node: NodeSpec, port: str) -> None:
        for end, number in suffixes(self.wanted.endpoint_ports):
            if (pool := self.base.get(f"api_pool{end}")) is None:
                continue
            self.resources[f"member{end}-{node.index}"] = resource(
                "OS::Octavia::PoolMember",
                {
                    "pool": pool,
                    "address": _address(port),
                    "subnet": self.base["subnet_id"],
                    "protocol_port": number,
                },
            )


def _address(port: str) -> Any:
    return get_attr(port, "fixed_ips", 0, "ip_address")
