"""Checks a cluster's network and machines, independently of its engine."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from jeroboam.driver import (
    EVERYWHERE,
    ClusterSpec,
    EndpointMode,
    InfrastructureLabels,
    NodegroupSpec,
    node_network,
)

# Addresses of the node network that are not for nodes: network, broadcast, gateway, DHCP ports, API.
RESERVED_ADDRESSES = 8


def problems(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
    """All problems with the labels and sizes, as sentences for the user."""
    wrong = [text for group in (None, *nodegroups) for text in InfrastructureLabels.problems(cluster, group)]
    if InfrastructureLabels.problems(cluster):
        return wrong
    for group in nodegroups:
        if not InfrastructureLabels.problems(cluster, group):
            wrong += InfrastructureLabels.contradictions(cluster, group)
    labels = InfrastructureLabels.read(cluster)
    nodes = sum(group.node_count for group in nodegroups)
    inside = ipaddress.IPv4Network(node_network(cluster, labels))
    if inside.num_addresses - RESERVED_ADDRESSES < nodes:
        wrong.append(f"label fixed_subnet_cidr: {inside} has too few addresses for {nodes} nodes")
    if labels.master_lb_floating_ip_enabled and cluster.external_network_id is None:
        wrong.append("label master_lb_floating_ip_enabled: there is no external network from which it could be taken")
    guarded = cluster.port_security or cluster.endpoint_mode is EndpointMode.LOAD_BALANCER
    if not guarded and EVERYWHERE not in labels.api_allowed_cidrs:
        wrong.append(
            "label master_lb_allowed_cidrs: the fixed network has no port security, so nothing keeps others away; "
            "leave it out, or use a network with port security"
        )
    if len(labels.zones) > 1 and labels.boot_volume_size:
        wrong.append("label availability_zone: several zones with boot volumes need a volume type per zone; use one")
    return wrong
