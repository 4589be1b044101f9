"""A shard of a Kubernetes nodegroup: for every node a port and a server, plus what was asked for.

Rule: every node is written out, so removing one or giving one another image is an ordinary stack update that touches
exactly that. A server's user data never rebuilds it: the agent fetches what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.drivers.base import ClusterSpec, NodegroupSpec, NodeSpec, Template
from shared.drivers.hot import Resources, get_attr, get_resource, resource, template
from shared.drivers.kubernetes.base_stack import api_mode
from shared.drivers.kubernetes.labels import Labels


def render(
    cluster: ClusterSpec,
    nodegroup: NodegroupSpec,
    nodes: Sequence[NodeSpec],
    user_data: Mapping[str, str],
    base: Mapping[str, Any],
    labels: Labels,
) -> Template:
    """The HOT of one shard.

    Args:
        user_data: node uuid -> text.
        base: outputs of the base stack.
    """
    resources: Resources = {}
    outputs: dict[str, Any] = {}
    for node in nodes:
        outputs[f"node-{node.index}"] = _node(cluster, nodegroup, node, user_data[node.uuid], base, labels, resources)
    return template(f"Jeroboam cluster {cluster.uuid}, nodegroup {nodegroup.name}", resources, outputs)


def _node(
    cluster: ClusterSpec,
    nodegroup: NodegroupSpec,
    node: NodeSpec,
    user_data: str,
    base: Mapping[str, Any],
    labels: Labels,
    resources: Resources,
) -> dict[str, Any]:
    master = nodegroup.role == "master"
    server, port = f"node-{node.index}", f"port-{node.index}"
    own_port = not (master and api_mode(cluster) == "port" and node.index == 0)
    if own_port:
        resources[port] = resource(
            "OS::Neutron::Port",
            {
                "name": node.name,
                "network": base["network_id"],
                "fixed_ips": [{"subnet": base["subnet_id"]}],
                "security_groups": [base["master_security_group" if master else "worker_security_group"]],
                "allowed_address_pairs": _address_pairs(cluster, master, base, labels),
            },
        )
    boot_volume = labels.boot_volume(nodegroup)
    resources[server] = resource(
        "OS::Nova::Server",
        {
            "name": node.name,
            "flavor": nodegroup.flavor_id,
            "image": None if boot_volume else nodegroup.image_id,
            "block_device_mapping_v2": [boot_volume] if boot_volume else None,
            "networks": [{"port": get_resource(port) if own_port else base["api_port"]}],
            "availability_zone": labels.availability_zone(node.index),
            "scheduler_hints": {"group": base["master_server_group"]} if master else None,
            "user_data_format": "RAW",
            "user_data": user_data,
            "user_data_update_policy": "IGNORE",
            "metadata": {
                "jeroboam_cluster": cluster.uuid,
                "jeroboam_nodegroup": nodegroup.uuid,
                "jeroboam_node": node.uuid,
            },
        },
    )
    if nodegroup.docker_volume_size:
        _volume(node, nodegroup.docker_volume_size, labels, resources)
    floating_ip = None
    if cluster.floating_ip_enabled and cluster.external_network_id is not None and own_port:
        resources[f"fip-{node.index}"] = resource(
            "OS::Neutron::FloatingIP",
            {"floating_network": cluster.external_network_id, "port_id": get_resource(port)},
        )
        floating_ip = get_attr(f"fip-{node.index}", "floating_ip_address")
    if master and "api_pool" in base:
        resources[f"member-{node.index}"] = resource(
            "OS::Octavia::PoolMember",
            {
                "pool": base["api_pool"],
                "address": get_attr(port, "fixed_ips", 0, "ip_address"),
                "subnet": base["subnet_id"],
                "protocol_port": cluster.apiserver_port,
            },
        )
    return {
        "server_id": get_resource(server),
        "ip_address": get_attr(port, "fixed_ips", 0, "ip_address") if own_port else base["api_private_address"],
        "floating_ip": floating_ip if own_port else _master_floating_ip(base),
    }


def _master_floating_ip(base: Mapping[str, Any]) -> Any:
    """The single master's own port is the API's; its floating IP is the API's address, if that has one."""
    return base["api_address"] if base["api_address"] != base["api_private_address"] else None


def _address_pairs(cluster: ClusterSpec, master: bool, base: Mapping[str, Any], labels: Labels) -> list[dict[str, str]]:
    """Addresses a node may send from beside its own: pods', and the virtual IP on masters."""
    pairs = [{"ip_address": labels.pods_network_cidr}]
    if master and api_mode(cluster) == "vip":
        pairs.append({"ip_address": str(base["api_private_address"])})
    return pairs


def _volume(node: NodeSpec, size: int, labels: Labels, resources: Resources) -> None:
    volume = f"volume-{node.index}"
    resources[volume] = resource(
        "OS::Cinder::Volume",
        {"name": f"{node.name}-containers", "size": size, "volume_type": labels.docker_volume_type},
    )
    resources[f"attachment-{node.index}"] = resource(
        "OS::Cinder::VolumeAttachment",
        {
            "instance_uuid": get_resource(f"node-{node.index}"),
            "volume_id": get_resource(volume),
            "mountpoint": "/dev/vdb",
        },
    )
