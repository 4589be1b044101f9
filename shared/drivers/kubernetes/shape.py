"""Whether a cluster of this shape can be, and what it takes from the project's quotas."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from shared.drivers.base import ClusterSpec, NodegroupSpec
from shared.drivers.kubernetes.base_stack import api_mode
from shared.drivers.kubernetes.labels import label_problems, read_labels

# Addresses of the node network that are not for nodes: network, broadcast, gateway, DHCP ports, API.
RESERVED_ADDRESSES = 8


def problems(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
    """Everything wrong with labels and shape, in words for the user."""
    found = [problem for group in (None, *nodegroups) for problem in label_problems(cluster, group)]
    try:
        labels = read_labels(cluster)
    except ValidationError:
        return list(dict.fromkeys(found))
    nodes = sum(group.node_count for group in nodegroups)
    pods = ipaddress.IPv4Network(labels.pods_network_cidr)
    node_network = ipaddress.IPv4Network(cluster.fixed_subnet_cidr or labels.fixed_subnet_cidr)
    services = ipaddress.IPv4Network(labels.service_cluster_ip_range)
    share = labels.flannel_network_subnetlen
    if pods.prefixlen > share or 2 ** (share - pods.prefixlen) < nodes:
        found.append(f"label pods_network_cidr: {pods} has no /{share} for each of {nodes} nodes")
    # Kubernetes' own limit: a larger pod network than this has more shares than its allocator counts.
    if share - pods.prefixlen > 16:
        found.append(f"label pods_network_cidr: {pods} is too large to be cut into /{share}; at most 16 bits apart")
    if node_network.num_addresses - RESERVED_ADDRESSES < nodes:
        found.append(f"label fixed_subnet_cidr: {node_network} has too few addresses for {nodes} nodes")
    named = {"pods_network_cidr": pods, "the node network": node_network, "service_cluster_ip_range": services}
    pairs = [(a, b) for a in named for b in named if a < b and named[a].overlaps(named[b])]
    found += [f"{a} ({named[a]}) overlaps {b} ({named[b]})" for a, b in pairs]
    if labels.availability_zones and "," in labels.availability_zones and labels.boot_volume_size:
        found.append("label availability_zone: several zones with boot volumes need a volume type per zone; use one")
    return list(dict.fromkeys(found))


def needs(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Mapping[str, int]:
    """Quota beside one instance and one port a node."""
    labels = read_labels(cluster)
    nodes = sum(group.node_count for group in nodegroups)
    mode = api_mode(cluster)
    need = {"security_group": 2, "security_group_rule": 20, "server_groups": 1, "port": 1}
    if cluster.fixed_network_id is None:
        need["network"] = 1
    if cluster.fixed_subnet_id is None:
        need["subnet"] = 1
        if cluster.external_network_id is not None:
            need["router"] = 1
            need["port"] += 2  # the router's legs
    if cluster.external_network_id is not None:
        api = 1 if labels.api_floating_ip else 0
        # The single master's port is the API's, so its floating IP is counted once.
        of_nodes = nodes - (1 if mode == "port" else 0) if cluster.floating_ip_enabled else 0
        need["floatingip"] = api + of_nodes
    return need
