"""Computes the project quotas that a cluster needs, except one instance and one port per node.

Rule: resources are counted in the template that will be sent to Heat, so that the count matches what is created.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from jeroboam.driver import MASTER, ClusterSpec, EndpointMode, Engine, Hardware, NodegroupSpec
from shared.stacks import base_stack

# Neutron adds two egress rules to every new security group.
_DEFAULT_RULES = 2
# Heat's resource type -> Neutron's and Nova's names of the quotas that it uses.
_TAKES: Mapping[str, Mapping[str, int]] = {
    "OS::Neutron::Net": {"network": 1},
    "OS::Neutron::Subnet": {"subnet": 1},
    "OS::Neutron::Router": {"router": 1, "port": 1},  # the port of its gateway
    "OS::Neutron::RouterInterface": {"port": 1},
    "OS::Neutron::SecurityGroup": {"security_group": 1, "security_group_rule": _DEFAULT_RULES},
    "OS::Neutron::Port": {"port": 1},
    "OS::Neutron::FloatingIP": {"floatingip": 1},
    "OS::Nova::ServerGroup": {"server_groups": 1},
    "OS::Octavia::LoadBalancer": {"port": 1},  # the port of its virtual IP
}


def needs(
    engine: Engine,
    cluster: ClusterSpec,
    nodegroups: Sequence[NodegroupSpec],
    hardware_of: Callable[[NodegroupSpec], Hardware],
) -> Mapping[str, int]:
    """Quota name -> count, for a valid cluster.

    Args:
        hardware_of: the hardware of one of the nodegroups.
    """
    total: Counter[str] = Counter()
    for body in base_stack.render(engine, cluster, nodegroups)["resources"].values():
        total.update(_TAKES.get(body["type"], {}))
        total["security_group_rule"] += len(body["properties"].get("rules", ()))
    if cluster.floating_ip_enabled and cluster.external_network_id is not None:
        public = [group for group in nodegroups if hardware_of(group).floating_ips]
        # The port of a single master belongs to the endpoint, so its floating IP is already counted.
        counted = cluster.endpoint_mode is EndpointMode.PORT and any(group.role == MASTER for group in public)
        total["floatingip"] += sum(group.node_count for group in public) - (1 if counted else 0)
    return {name: count for name, count in total.items() if count > 0}
