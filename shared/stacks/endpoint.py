"""The endpoint of a cluster's masters: an Octavia load balancer, a shared virtual IP, or the single master's port.

Rule: the port of a single master is created here, so that its address is kept if the machine is replaced. Several
masters without Octavia share the address of a port that is not attached to any machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jeroboam.driver import EVERYWHERE, ClusterSpec, EndpointMode, Infrastructure, InfrastructureLabels, node_network
from jeroboam.driver.labels import OVN
from jeroboam.driver.virtual_ip import VIRTUAL_ROUTER_ID, virtual_router_id
from shared.stacks.hot import Resources, get_attr, get_resource, resource


def suffixes(ports: Sequence[int]) -> Iterator[tuple[str, int]]:
    """The suffix of resource names for each port of the endpoint; empty for the port of the API."""
    for number, port in enumerate(ports):
        yield (f"_{port}" if number else ""), port


def render(
    cluster: ClusterSpec,
    labels: InfrastructureLabels,
    wanted: Infrastructure,
    network: Any,
    subnet: Any,
    resources: Resources,
) -> dict[str, Any]:
    """Add the endpoint's resources. Returns the outputs `api_*`."""
    name = f"jeroboam-{cluster.uuid}-api"
    outputs: dict[str, Any] = {}
    if cluster.endpoint_mode is EndpointMode.LOAD_BALANCER:
        private, port = _load_balancer(cluster, labels, wanted, name, subnet, resources)
        outputs |= {f"api_pool{end}": get_resource(f"api_pool{end}") for end, _ in suffixes(wanted.endpoint_ports)}
    else:
        if cluster.endpoint_mode is EndpointMode.VIRTUAL_IP:
            outputs[VIRTUAL_ROUTER_ID] = virtual_router_id(cluster.uuid)
        of_machine = cluster.endpoint_mode is EndpointMode.PORT
        resources["api_port"] = resource(
            "OS::Neutron::Port",
            {
                "name": name,
                "network": network,
                "fixed_ips": [{"subnet": subnet}],
                "security_groups": [get_resource("master_security_group")] if cluster.port_security else None,
                "allowed_address_pairs": [{"ip_address": pair} for pair in wanted.address_pairs] or None
                if of_machine and cluster.port_security
                else None,
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
    """A floating IP depends on the router's interface in the subnet; Heat cannot derive that from the properties."""
    return ["router_interface"] if "router_interface" in resources else None


def _allowed(cluster: ClusterSpec, labels: InfrastructureLabels, wanted: Infrastructure) -> list[str] | None:
    """Who may connect to the listeners: the given networks, the nodes, and what runs on them. None: everyone.

    OVN's load balancers have no such list, and keep the client's address: the masters' security group does it there.
    """
    given = labels.api_allowed_cidrs
    if not given or EVERYWHERE in given or labels.octavia_provider == OVN:
        return None
    return list(dict.fromkeys([*given, node_network(cluster, labels), *wanted.address_pairs]))


def _load_balancer(
    cluster: ClusterSpec,
    labels: InfrastructureLabels,
    wanted: Infrastructure,
    name: str,
    subnet: Any,
    resources: Resources,
) -> tuple[Any, Any]:
    resources["api_lb"] = resource(
        "OS::Octavia::LoadBalancer",
        {"name": name, "vip_subnet": subnet, "provider": labels.octavia_provider},
        depends_on=_routed(resources),
    )
    for end, port in suffixes(wanted.endpoint_ports):
        resources[f"api_listener{end}"] = resource(
            "OS::Octavia::Listener",
            {
                "name": f"{name}{end}",
                "loadbalancer": get_resource("api_lb"),
                "protocol": "TCP",
                "protocol_port": port,
                "allowed_cidrs": _allowed(cluster, labels, wanted),
            },
        )
        resources[f"api_pool{end}"] = resource(
            "OS::Octavia::Pool",
            {
                "name": f"{name}{end}",
                "listener": get_resource(f"api_listener{end}"),
                "protocol": "TCP",
                "lb_algorithm": labels.load_balancer_algorithm,
                "session_persistence": {"type": "SOURCE_IP"} if wanted.sticky_clients else None,
            },
        )
        if labels.octavia_lb_healthcheck:
            path = None if end else wanted.health_path
            resources[f"api_monitor{end}"] = resource(
                "OS::Octavia::HealthMonitor", {"pool": get_resource(f"api_pool{end}"), **_check(labels, path)}
            )
    return get_attr("api_lb", "vip_address"), get_attr("api_lb", "vip_port_id")


def _check(labels: InfrastructureLabels, path: str | None) -> dict[str, Any]:
    """How a member is checked. OVN's load balancers do not speak HTTPS. Times in seconds."""
    if path is None or labels.octavia_provider == OVN:
        return {"type": "TCP", "delay": 10, "max_retries": 3, "timeout": 5}
    asked = {"http_method": "GET", "url_path": path, "expected_codes": "200"}
    return {"type": "HTTPS", "delay": 5, "max_retries": 3, "timeout": 4, **asked}
