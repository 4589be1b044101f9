"""Checks the networks and sizes of a cluster."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from pydantic import ValidationError

from jeroboam.driver import ClusterSpec, NodegroupSpec, node_network, shared_address_problems
from shared.drivers.kubernetes.labels import DEFAULT_API_PORT, api_port, label_problems, read_labels

# etcd, kubelet, kube-proxy, controller manager, scheduler: kubeadm refuses to start where one is taken.
PORTS_OF_MASTERS = frozenset({2379, 2380, 2381, 10248, 10249, 10250, 10256, 10257, 10259})


def problems(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
    """All problems with labels and sizes, as sentences for the user."""
    found = [problem for group in (None, *nodegroups) for problem in label_problems(cluster, group)]
    try:
        labels = read_labels(cluster)
    except ValidationError:
        return list(dict.fromkeys(found))
    if (port := api_port(cluster)) in PORTS_OF_MASTERS:
        found.append(
            f"apiserver_port: {port} is used by other parts of Kubernetes on masters ("
            f"{', '.join(map(str, sorted(PORTS_OF_MASTERS)))}); use another port, such as {DEFAULT_API_PORT}"
        )
    found += shared_address_problems(cluster, nodegroups)
    nodes = sum(group.node_count for group in nodegroups)
    pods = ipaddress.IPv4Network(labels.pods_network_cidr)
    inside = ipaddress.IPv4Network(node_network(cluster, labels))
    services = ipaddress.IPv4Network(labels.service_cluster_ip_range)
    share = labels.flannel_network_subnetlen
    if pods.prefixlen > share or 2 ** (share - pods.prefixlen) < nodes:
        found.append(f"label pods_network_cidr: {pods} has no /{share} for each of {nodes} nodes")
    # Kubernetes' limit: its allocator does not support more subnets.
    if share - pods.prefixlen > 16:
        found.append(f"label pods_network_cidr: {pods} is too large for /{share} subnets; at most 16 bits apart")
    named = {"pods_network_cidr": pods, "the node network": inside, "service_cluster_ip_range": services}
    pairs = [(a, b) for a in named for b in named if a < b and named[a].overlaps(named[b])]
    found += [f"{a} ({named[a]}) overlaps {b} ({named[b]})" for a, b in pairs]
    return list(dict.fromkeys(found))
