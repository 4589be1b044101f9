"""The base stack of a Kubernetes cluster: network, security groups, and the address of its API.

Rule: the API's address is known when this stack is complete, before any machine exists, because every node's
bootstrap names it. With a load balancer it is Octavia's; with several masters and no Octavia a virtual IP that the
masters share; with one master that master's own port, made here so that its address outlives the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.drivers.base import ClusterSpec, NodegroupSpec, Template
from shared.drivers.hot import Resources, get_attr, get_resource, resource, template
from shared.drivers.kubernetes.labels import Labels

ETCD_PORTS = (2379, 2380)
KUBELET_PORT = 10250
NODE_PORTS = (30000, 32767)
VRRP = 112


def api_mode(cluster: ClusterSpec) -> str:
    """`octavia`, `vip` or `port`: how clients reach the masters."""
    if not cluster.master_lb_enabled:
        return "port"
    return "octavia" if cluster.load_balancer else "vip"


def render(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec], labels: Labels) -> Template:
    """The HOT of the base stack."""
    resources: Resources = {}
    network, subnet = _network(cluster, labels, resources)
    _security_groups(cluster, labels, resources)
    resources["master_server_group"] = resource(
        "OS::Nova::ServerGroup",
        {"name": f"jeroboam-{cluster.uuid}-masters", "policies": [labels.nodes_affinity_policy]},
    )
    outputs: dict[str, Any] = {
        "network_id": network,
        "subnet_id": subnet,
        "master_security_group": get_resource("master_security_group"),
        "worker_security_group": get_resource("worker_security_group"),
        "master_server_group": get_resource("master_server_group"),
        **_api(cluster, labels, network, subnet, resources),
    }
    return template(f"Jeroboam cluster {cluster.uuid}: network and API address", resources, outputs)


def _network(cluster: ClusterSpec, labels: Labels, resources: Resources) -> tuple[Any, Any]:
    """The network and subnet nodes live in: the ones given, or new ones behind a router of their own."""
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


def _rule(protocol: str, cidr: str, low: int | None = None, high: int | None = None) -> dict[str, Any]:
    rule: dict[str, Any] = {"protocol": protocol, "remote_ip_prefix": cidr}
    if low is not None:
        rule |= {"port_range_min": low, "port_range_max": high if high is not None else low}
    return rule


def _security_groups(cluster: ClusterSpec, labels: Labels, resources: Resources) -> None:
    """Nodes reach each other freely; the world reaches the API, SSH where a key was given, and node ports."""
    everywhere = "0.0.0.0/0"
    inside = cluster.fixed_subnet_cidr or labels.fixed_subnet_cidr
    common = [_rule("icmp", everywhere), _rule("tcp", inside, 1, 65535), _rule("udp", inside, 1, 65535)]
    if labels.network_driver == "calico":
        common.append(_rule("4", inside))  # IP-in-IP between nodes
    if cluster.ssh_public_key:
        common.append(_rule("tcp", everywhere, 22))
    masters = [*common, *(_rule("tcp", cidr, cluster.apiserver_port) for cidr in labels.api_allowed_cidrs)]
    if api_mode(cluster) == "vip":
        masters.append(_rule(str(VRRP), inside))
    workers = [*common, _rule("tcp", everywhere, *NODE_PORTS), _rule("udp", everywhere, *NODE_PORTS)]
    for role, rules in (("master", masters), ("worker", workers)):
        resources[f"{role}_security_group"] = resource(
            "OS::Neutron::SecurityGroup",
            {
                "name": f"jeroboam-{cluster.uuid}-{role}",
                "description": f"Jeroboam cluster {cluster.uuid}, {role} nodes",
                "rules": rules,
            },
        )


def _api(cluster: ClusterSpec, labels: Labels, network: Any, subnet: Any, resources: Resources) -> dict[str, Any]:
    """The outputs `api_*`, and the resources behind them."""
    name = f"jeroboam-{cluster.uuid}-api"
    mode = api_mode(cluster)
    outputs: dict[str, Any] = {}
    if mode == "octavia":
        private, port = _load_balancer(cluster, labels, name, subnet, resources)
        outputs["api_pool"] = get_resource("api_pool")
    else:
        resources["api_port"] = resource(
            "OS::Neutron::Port",
            {
                "name": name,
                "network": network,
                "fixed_ips": [{"subnet": subnet}],
                "security_groups": [get_resource("master_security_group")],
                "allowed_address_pairs": _pod_pairs(labels) if mode == "port" else None,
            },
            depends_on=_routed(resources),
        )
        private, port = get_attr("api_port", "fixed_ips", 0, "ip_address"), get_resource("api_port")
        outputs["api_port"] = port
    public = private
    if labels.api_floating_ip and cluster.external_network_id is not None:
        resources["api_floating_ip"] = resource(
            "OS::Neutron::FloatingIP",
            {"floating_network": cluster.external_network_id, "port_id": port},
            depends_on=_routed(resources),
        )
        public = get_attr("api_floating_ip", "floating_ip_address")
    return outputs | {"api_address": public, "api_private_address": private}


def _routed(resources: Resources) -> list[str] | None:
    """A floating IP needs the router's leg in the subnet first; Heat cannot see that from the properties."""
    return ["router_interface"] if "router_interface" in resources else None


def _pod_pairs(labels: Labels) -> list[Mapping[str, str]]:
    return [{"ip_address": labels.pods_network_cidr}]


def _load_balancer(
    cluster: ClusterSpec, labels: Labels, name: str, subnet: Any, resources: Resources
) -> tuple[Any, Any]:
    resources["api_lb"] = resource(
        "OS::Octavia::LoadBalancer",
        {"name": name, "vip_subnet": subnet, "provider": labels.octavia_provider},
        depends_on=_routed(resources),
    )
    resources["api_listener"] = resource(
        "OS::Octavia::Listener",
        {
            "name": name,
            "loadbalancer": get_resource("api_lb"),
            "protocol": "TCP",
            "protocol_port": cluster.apiserver_port,
            "allowed_cidrs": labels.api_allowed_cidrs if labels.api_allowed_cidrs != ["0.0.0.0/0"] else None,
        },
    )
    resources["api_pool"] = resource(
        "OS::Octavia::Pool",
        {
            "name": name,
            "listener": get_resource("api_listener"),
            "protocol": "TCP",
            "lb_algorithm": labels.octavia_lb_algorithm,
        },
    )
    if labels.octavia_lb_healthcheck:
        resources["api_monitor"] = resource(
            "OS::Octavia::HealthMonitor",
            {"pool": get_resource("api_pool"), "type": "TCP", "delay": 10, "max_retries": 3, "timeout": 5},
        )
    return get_attr("api_lb", "vip_address"), get_attr("api_lb", "vip_port_id")
