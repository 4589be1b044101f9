"""The base stack: the resources shared by all nodes of a cluster, and the endpoint of its masters.

Rule: the endpoint's address is known when this stack is complete, before any machine exists, because every node's
bootstrap contains it. Names of outputs are stored in `clusters.base_outputs` and must not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jeroboam.driver import (
    EVERYWHERE,
    INSIDE,
    MASTER,
    ClusterSpec,
    EndpointMode,
    Engine,
    Infrastructure,
    InfrastructureLabels,
    NodegroupSpec,
    Rule,
    node_network,
)
from shared.stacks import endpoint
from shared.stacks.hot import Resources, Template, get_resource, resource, template

SSH = 22
VRRP = 112


def render(engine: Engine, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Template:
    """The HOT of the base stack. Its outputs include `api_address` (an IP for clients) and `api_private_address`.

    There are no security groups on a network without port security.
    """
    labels = InfrastructureLabels.read(cluster)
    wanted = engine.infrastructure(cluster, nodegroups)
    resources: Resources = {}
    network, subnet = _network(cluster, labels, resources)
    if cluster.port_security:
        _security_groups(cluster, labels, wanted, resources)
    resources["master_server_group"] = resource(
        "OS::Nova::ServerGroup",
        {"name": f"jeroboam-{cluster.uuid}-masters", "policies": [labels.nodes_affinity_policy]},
    )
    outputs: dict[str, Any] = {
        "network_id": network,
        "subnet_id": subnet,
        **{name: get_resource(name) for name in map(security_group, wanted.rules) if name in resources},
        "master_server_group": get_resource("master_server_group"),
        # By it, nodes know a cluster that was created before its label had an effect.
        **{f"{volume.name}_volume": volume.size for volumes in wanted.volumes.values() for volume in volumes},
        **endpoint.render(cluster, labels, wanted, network, subnet, resources),
    }
    return template(f"Jeroboam cluster {cluster.uuid}: network and API address", resources, outputs)


def security_group(role: str) -> str:
    """The name of the resource and output of a role's security group."""
    return f"{role}_security_group"


def _network(cluster: ClusterSpec, labels: InfrastructureLabels, resources: Resources) -> tuple[Any, Any]:
    """The network and subnet of the nodes: the given ones, or new ones with a new router."""
    if cluster.fixed_network_id is not None and cluster.fixed_subnet_id is not None:
        return cluster.fixed_network_id, cluster.fixed_subnet_id
    name = f"jeroboam-{cluster.uuid}"
    if cluster.fixed_network_id is None:
        resources["network"] = resource("OS::Neutron::Net", {"name": name})
    network: Any = cluster.fixed_network_id or get_resource("network")
    resources["subnet"] = resource(
        "OS::Neutron::Subnet",
        {
            "name": name,
            "network": network,
            "cidr": labels.fixed_subnet_cidr,
            "ip_version": 4,
            "dns_nameservers": list(cluster.dns_nameservers) or None,
        },
    )
    if cluster.external_network_id is not None:
        resources["router"] = resource(
            "OS::Neutron::Router",
            {"name": name, "external_gateway_info": {"network": cluster.external_network_id}},
        )
        resources["router_interface"] = resource(
            "OS::Neutron::RouterInterface", {"router": get_resource("router"), "subnet": get_resource("subnet")}
        )
    return network, get_resource("subnet")


def _security_groups(
    cluster: ClusterSpec, labels: InfrastructureLabels, wanted: Infrastructure, resources: Resources
) -> None:
    """Allow traffic between nodes, to the endpoint, to SSH if a key was given, and to the engine's ports."""
    inside = node_network(cluster, labels)
    common = [Rule("icmp", EVERYWHERE), Rule("tcp", INSIDE, 1, 65535), Rule("udp", INSIDE, 1, 65535)]
    if cluster.ssh_public_key:
        common.append(Rule("tcp", EVERYWHERE, SSH))
    api = [Rule("tcp", cidr, port) for port in wanted.endpoint_ports for cidr in labels.api_allowed_cidrs]
    if cluster.endpoint_mode is EndpointMode.VIRTUAL_IP:
        api.append(Rule(str(VRRP)))
    for role, own in wanted.rules.items():
        rules = [*common, *(api if role == MASTER else ()), *own]
        resources[security_group(role)] = resource(
            "OS::Neutron::SecurityGroup",
            {
                "name": f"jeroboam-{cluster.uuid}-{role}",
                "description": f"Jeroboam cluster {cluster.uuid}, {role} nodes",
                "rules": [_rule(rule, inside) for rule in rules],
            },
        )


def _rule(rule: Rule, inside: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "protocol": rule.protocol,
        "remote_ip_prefix": inside if rule.source == INSIDE else rule.source,
    }
    if rule.low is not None:
        body |= {"port_range_min": rule.low, "port_range_max": rule.high if rule.high is not None else rule.low}
    return body
