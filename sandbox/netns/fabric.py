"""The network between machines: a bridge for each Neutron network, load balancers, floating IPs.

Rule: what should be there is computed from the rows of the simulated Neutron and Octavia, at short intervals; what
differs is changed. Floating IPs are loopback addresses of this machine, so clients on it reach clusters directly.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import structlog

from sandbox.netns import spaces
from sandbox.netns.relay import Relay, Route

if TYPE_CHECKING:
    from sandbox.openstack.cloud import SimulatedCloud

log = structlog.get_logger(__name__)
SSH = 22


class Fabric:
    """Args:
    cloud: whose rows are looked at.
    prefix: what the names of namespaces begin with.
    """

    def __init__(self, cloud: SimulatedCloud, prefix: str) -> None:
        self._cloud = cloud
        self._prefix = prefix
        self._networks: set[str] = set()
        self._addresses: set[tuple[str, str]] = set()
        self._relays: dict[Route, Relay] = {}

    def network(self, network_id: str) -> str:
        """The name of a network's namespace, which is created if necessary."""
        name = f"{self._prefix}n{network_id[:8]}"
        if network_id not in self._networks:
            subnet = self.subnet(network_id)
            length = subnet["cidr"].partition("/")[2]
            if not spaces.exists(name):
                spaces.add_network(name, f"{gateway_of(subnet)}/{length}")
            self._networks.add(network_id)
        return name

    def subnet(self, network_id: str) -> dict[str, Any]:
        return self._cloud.neutron.state.subnets.where("network_id", network_id)[0]

    async def follow(self) -> None:
        """Start and end relays, and remove networks that are gone."""
        wanted = set(self._wanted())
        for route in self._relays.keys() - wanted:
            await self._relays.pop(route).close()
        for route in wanted - self._relays.keys():
            if route.source is not None and route.address != "127.0.0.1":
                self._have_address(route.source, route.address)
            relay = Relay(route)
            try:
                await relay.start()
            except OSError as error:
                log.warning("netns.relay.failed", route=str(route), error=str(error))
                continue
            self._relays[route] = relay
        for network_id in [each for each in self._networks if self._cloud.neutron.state.networks.get(each) is None]:
            self._networks.discard(network_id)
            spaces.remove(f"{self._prefix}n{network_id[:8]}")

    async def close(self) -> None:
        """End everything."""
        for relay in self._relays.values():
            await relay.close()
        self._relays.clear()
        for network_id in self._networks:
            spaces.remove(f"{self._prefix}n{network_id[:8]}")
        self._networks.clear()

    def _have_address(self, space: str, address: str) -> None:
        if (space, address) not in self._addresses:
            spaces.ip("-n", space, "addr", "replace", f"{address}/32", "dev", "br0")
            self._addresses.add((space, address))

    def _wanted(self) -> list[Route]:
        """The relays for load balancers, then those for floating IPs."""
        found = []
        listening: dict[str, list[int]] = {}  # port of an address -> TCP ports
        rows = self._cloud.octavia.rows
        for balancer in rows["loadbalancers"]:
            if balancer["vip_network_id"] not in self._networks:
                continue
            space = self.network(balancer["vip_network_id"])
            for listener in rows["listeners"].where("balancer", balancer["id"]):
                port = int(listener["protocol_port"])
                listening.setdefault(balancer["vip_port_id"], []).append(port)
                pools = self._pools(listener)
                targets = self._members(pools)
                sticky = any(pool.get("session_persistence") for pool in pools)
                if targets:
                    found.append(Route(space, balancer["vip_address"], port, space, targets, sticky))
        for floating in self._cloud.neutron.state.floatingips:
            port_row = self._cloud.neutron.state.ports.get(floating["port_id"] or "")
            if port_row is None or port_row["network_id"] not in self._networks:
                continue
            space, inside = self.network(port_row["network_id"]), port_row["fixed_ips"][0]["ip_address"]
            for port in listening.get(port_row["id"]) or self._open_ports(port_row):
                found.append(Route(None, floating["floating_ip_address"], port, space, ((inside, port),)))
        return found

    def _pools(self, listener: dict[str, Any]) -> list[dict[str, Any]]:
        return list(self._cloud.octavia.rows["pools"].where("parent", listener["id"]))

    def _members(self, pools: list[dict[str, Any]]) -> tuple[tuple[str, int], ...]:
        rows = self._cloud.octavia.rows
        members = [member for pool in pools for member in rows["members"].where("parent", pool["id"])]
        return tuple(sorted((member["address"], int(member["protocol_port"])) for member in members))

    def _open_ports(self, port_row: dict[str, Any]) -> list[int]:
        """Single TCP ports that the port's security groups open to everybody, but for SSH."""
        rules = [
            rule
            for group in port_row["security_groups"]
            for rule in self._cloud.neutron.state.rules.where("security_group_id", group)
            if rule.get("protocol") == "tcp" and rule.get("remote_ip_prefix") == "0.0.0.0/0"
        ]
        single = {rule["port_range_min"] for rule in rules if rule["port_range_min"] == rule["port_range_max"]}
        return sorted(port for port in single if port not in (None, SSH))


def gateway_of(subnet: dict[str, Any]) -> str:
    """A subnet's gateway: the given one, or its first address."""
    return subnet.get("gateway_ip") or str(ipaddress.ip_network(subnet["cidr"])[1])
