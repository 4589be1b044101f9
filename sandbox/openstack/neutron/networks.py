"""Networks and subnets of the simulated Neutron, and their addresses.

Rule: an address is allocated exactly while a port has it; the allocator is rebuilt from the ports and needs no state.
As in Neutron, a network or subnet in use cannot be deleted.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from sandbox.openstack.neutron import checks
from sandbox.openstack.neutron.state import NeutronState, missing
from sandbox.openstack.store import Row
from sandbox.openstack.wire import ApiError

NETWORK: dict[str, Any] = {
    "admin_state_up": True,
    "shared": False,
    "router:external": False,
    "mtu": 1450,
    "port_security_enabled": True,
    "availability_zone_hints": [],
    "dns_domain": "",
    "provider:network_type": "vxlan",
    "provider:physical_network": None,
    "provider:segmentation_id": None,
    "qos_policy_id": None,
}
SUBNET: dict[str, Any] = {
    "network_id": None,
    "cidr": None,
    "ip_version": 4,
    "gateway_ip": None,
    "enable_dhcp": True,
    "dns_nameservers": [],
    "host_routes": [],
    "allocation_pools": [],
    "ipv6_ra_mode": None,
    "ipv6_address_mode": None,
    "subnetpool_id": None,
    "service_types": [],
    "segment_id": None,
    "prefixlen": None,
    "use_default_subnetpool": False,
}


class Networks:
    """Creates and deletes networks and subnets; allocates addresses."""

    def __init__(self, state: NeutronState) -> None:
        self.state = state
        self._taken: dict[str, set[int]] = {}
        self._cursor: dict[str, int] = {}

    def create_network(self, project_id: str, fields: dict[str, Any]) -> Row:
        """A new network."""
        self.state.reserve(project_id, "network")
        row = self.state.row(project_id, fields, NETWORK, subnets=[], status="ACTIVE", availability_zones=["nova"])
        row["ipv4_address_scope"] = row["ipv6_address_scope"] = None
        row["is_default"] = bool(row["router:external"])
        return self.state.networks.add(row)

    def network(self, row_id: str) -> Row:
        """A network, or 404."""
        row = self.state.networks.get(row_id)
        if row is None:
            raise missing("Network", row_id)
        return row

    def delete_network(self, row_id: str) -> None:
        """Delete a network and its subnets; 409 while ports use it."""
        self.network(row_id)
        if ports := self.state.ports.where("network_id", row_id):
            ids = ",".join(port["id"] for port in ports)
            raise ApiError(
                409,
                f"Unable to complete operation on network {row_id}. "
                f"There are one or more ports still in use on the network, id for these ports is: {ids}.",
                "NetworkInUse",
            )
        for subnet in self.state.subnets.where("network_id", row_id):
            self.state.subnets.remove(subnet["id"])
        self.state.networks.remove(row_id)

    def create_subnet(self, project_id: str, fields: dict[str, Any]) -> Row:
        """A new subnet; 400 for a bad or overlapping CIDR."""
        network = self.network(str(fields.get("network_id")))
        cidr = checks.subnet_cidr(fields)
        self.state.reserve(project_id, "subnet")
        for other in self.state.subnets.where("network_id", network["id"]):
            if other["ip_version"] == cidr.version and cidr.overlaps(ipaddress.ip_network(other["cidr"])):
                raise ApiError(
                    400,
                    f"Invalid input for operation: Requested subnet with cidr: {cidr} for network: {network['id']} "
                    "overlaps with another subnet.",
                    "InvalidInput",
                )
        # An explicit null means no gateway; by default, it is the first address.
        wanted = fields.get("gateway_ip", "") if "gateway_ip" in fields else str(cidr[1])
        pools = fields.get("allocation_pools") or [_pool(cidr, wanted)]
        row = self.state.row(project_id, fields, SUBNET, cidr=str(cidr), gateway_ip=wanted or None)
        row.update(ip_version=cidr.version, allocation_pools=pools)
        row.pop("prefixlen")
        row.pop("use_default_subnetpool")
        self.state.subnets.add(row)
        self.state.networks.update(network, subnets=[*network["subnets"], row["id"]])
        return row

    def subnet(self, row_id: str) -> Row:
        """A subnet, or 404."""
        row = self.state.subnets.get(row_id)
        if row is None:
            raise missing("Subnet", row_id)
        return row

    def delete_subnet(self, row_id: str) -> None:
        """Delete a subnet; 409 while ports have addresses from it."""
        row = self.subnet(row_id)
        if self.state.ports.count("subnet", row_id):
            raise ApiError(
                409,
                f"Unable to complete operation on subnet {row_id}: "
                "One or more ports have an IP allocation from this subnet.",
                "SubnetInUse",
            )
        network = self.state.networks.get(row["network_id"])
        if network is not None:
            self.state.networks.update(network, subnets=[one for one in network["subnets"] if one != row_id])
        self.state.subnets.remove(row_id)
        self._taken.pop(row_id, None)
        self._cursor.pop(row_id, None)

    def take(self, subnet: Row, wanted: str | None = None) -> str:
        """Allocate an address of a subnet: the given one or the next free one; 409 if there is none."""
        taken = self._addresses(subnet)
        if wanted is not None:
            try:
                number = int(ipaddress.ip_address(wanted))
                inside = ipaddress.ip_address(wanted) in ipaddress.ip_network(subnet["cidr"])
            except ValueError as error:
                raise ApiError(400, f"'{wanted}' is not a valid IP address.", "InvalidInput") from error
            if not inside:
                raise ApiError(
                    400, f"IP address {wanted} is not a valid IP for the specified subnet.", "InvalidIpForSubnet"
                )
            if number in taken:
                raise ApiError(
                    409,
                    f"Unable to complete operation for network {subnet['network_id']}. "
                    f"The IP address {wanted} is in use.",
                    "IpAddressInUse",
                )
            taken.add(number)
            return wanted
        pools = [
            (int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"])))
            for pool in subnet["allocation_pools"]
        ]
        # Search the pools twice: from the last allocated address to the end, then from the start.
        for floor in (self._cursor.get(subnet["id"], 0), 0):
            for first, last in pools:
                for number in range(max(first, floor + 1), last + 1):
                    if number not in taken:
                        taken.add(number)
                        self._cursor[subnet["id"]] = number
                        return str(ipaddress.ip_address(number))
        raise ApiError(
            409, f"No more IP addresses available on network {subnet['network_id']}.", "IpAddressGenerationFailure"
        )

    def give_back(self, subnet_id: str, address: str) -> None:
        """Free an address."""
        self._taken.get(subnet_id, set()).discard(int(ipaddress.ip_address(address)))

    def _addresses(self, subnet: Row) -> set[int]:
        taken = self._taken.get(subnet["id"])
        if taken is None:
            taken = {
                int(ipaddress.ip_address(ip["ip_address"]))
                for port in self.state.ports.where("subnet", subnet["id"])
                for ip in port["fixed_ips"]
                if ip["subnet_id"] == subnet["id"]
            }
            self._taken[subnet["id"]] = taken
        return taken


def _pool(cidr: ipaddress.IPv4Network | ipaddress.IPv6Network, gateway: str | None) -> dict[str, str]:
    first = 2 if gateway == str(cidr[1]) else 1
    return {"start": str(cidr[first]), "end": str(cidr[-2])}
