"""Ports and floating IPs of the simulated Neutron.

Rule: a port has its addresses from creation to deletion; deleting it frees them and disassociates its floating IPs.
A port of a router can be removed only through the router.
"""

from __future__ import annotations

import random
from typing import Any

from sandbox.openstack.neutron import checks
from sandbox.openstack.neutron.networks import Networks
from sandbox.openstack.neutron.security import SecurityGroups
from sandbox.openstack.neutron.state import NeutronState, missing
from sandbox.openstack.store import Row
from sandbox.openstack.wire import ApiError

PORT: dict[str, Any] = {
    "network_id": None,
    "admin_state_up": True,
    "mac_address": None,
    "fixed_ips": [],
    "device_id": "",
    "device_owner": "",
    "security_groups": None,
    "allowed_address_pairs": [],
    "extra_dhcp_opts": [],
    "port_security_enabled": True,
    "binding:vnic_type": "normal",
    "binding:host_id": "",
    "binding:profile": {},
    "dns_name": "",
    "qos_policy_id": None,
    "propagate_uplink_status": True,
}
FLOATING: dict[str, Any] = {
    "floating_network_id": None,
    "floating_ip_address": None,
    "fixed_ip_address": None,
    "port_id": None,
    "subnet_id": None,
    "dns_name": "",
    "dns_domain": "",
    "qos_policy_id": None,
}


class Ports:
    """Creates, binds and deletes ports and floating IPs."""

    def __init__(self, state: NeutronState, networks: Networks, groups: SecurityGroups) -> None:
        self.state = state
        self.networks = networks
        self.groups = groups

    def create(self, project_id: str, fields: dict[str, Any]) -> Row:
        """A new port with addresses of its network; 409 if the quota is exceeded or no address is free."""
        network = self.networks.network(str(fields.get("network_id")))
        checks.address_pairs(fields.get("allowed_address_pairs") or [])
        guarded = fields.get("port_security_enabled", network["port_security_enabled"])
        groups = fields.get("security_groups")
        if not guarded:
            checks.unguarded(groups or [], fields.get("allowed_address_pairs") or [])
        self.state.reserve(project_id, "port")
        if groups is None:
            groups = [self.groups.default(project_id)["id"]] if guarded else []
        for group in groups:
            self.groups.group(group)
        fields = {**fields, "port_security_enabled": guarded}
        row = self.state.row(project_id, fields, PORT, security_groups=list(groups))
        row["mac_address"] = row["mac_address"] or f"fa:16:3e:{random.randbytes(3).hex(':')}"
        row["fixed_ips"] = self._addresses(network, fields.get("fixed_ips"))
        row["status"] = "ACTIVE" if row["device_id"] else "DOWN"
        return self.state.ports.add(row)

    def port(self, row_id: str) -> Row:
        """A port, or 404."""
        row = self.state.ports.get(row_id)
        if row is None:
            raise missing("Port", row_id)
        return row

    def update(self, row: Row, changes: dict[str, Any]) -> Row:
        """Change a port; new fixed IPs replace the old ones."""
        changes = dict(changes)
        checks.address_pairs(changes.get("allowed_address_pairs") or [])
        if (wanted := changes.pop("fixed_ips", None)) is not None and wanted != row["fixed_ips"]:
            self._free(row)
            changes["fixed_ips"] = self._addresses(self.networks.network(row["network_id"]), wanted)
        for group in changes.get("security_groups") or []:
            self.groups.group(group)
        if "device_id" in changes:
            changes.setdefault("status", "ACTIVE" if changes["device_id"] else "DOWN")
        return self.state.change(self.state.ports, row, **changes)

    def delete(self, row_id: str, *, by_owner: bool = False) -> None:
        """Delete a port; 409 for a router's port unless the router itself asks."""
        row = self.port(row_id)
        if row["device_owner"].startswith("network:router") and not by_owner:
            raise ApiError(
                409,
                f"Port {row_id} cannot be deleted directly via the port API: has device owner {row['device_owner']}.",
                "ServicePortInUse",
            )
        for floating in self.state.floatingips.where("port_id", row_id):
            self.release(floating)
        self._free(row)
        self.state.ports.remove(row_id)

    def create_floating(self, project_id: str, fields: dict[str, Any]) -> Row:
        """A new floating IP on an external network, perhaps for a port."""
        network = self.networks.network(str(fields.get("floating_network_id")))
        if not network["router:external"]:
            raise ApiError(
                400, f"Bad floatingip request: Network {network['id']} is not a valid external network.", "BadRequest"
            )
        self.state.reserve(project_id, "floatingip")
        subnet = self._subnets(network)[0]
        address = self.networks.take(subnet, fields.get("floating_ip_address"))
        row = self.state.row(project_id, fields, FLOATING, status="DOWN", router_id=None, port_details=None)
        row.update(floating_ip_address=address, port_id=None, fixed_ip_address=None, _subnet=subnet["id"])
        row.pop("subnet_id")
        self.state.floatingips.add(row)
        if fields.get("port_id"):
            self.associate(row, fields["port_id"], fields.get("fixed_ip_address"))
        return row

    def floating(self, row_id: str) -> Row:
        """A floating IP, or 404."""
        row = self.state.floatingips.get(row_id)
        if row is None:
            raise missing("FloatingIP", row_id)
        return row

    def associate(self, row: Row, port_id: str, fixed: str | None = None) -> Row:
        """Point a floating IP at a port; 404 if no router connects them."""
        port = self.port(port_id)
        if not port["fixed_ips"]:
            raise ApiError(400, f"Bad floatingip request: Port {port_id} has no fixed IPs.", "BadRequest")
        router = self._router_towards({ip["subnet_id"] for ip in port["fixed_ips"]}, row["floating_network_id"])
        if router is None:
            raise ApiError(
                404,
                f"External network {row['floating_network_id']} is not reachable from subnet "
                f"{port['fixed_ips'][0]['subnet_id']}.  Therefore, cannot associate Port {port_id} with a Floating IP.",
                "ExternalGatewayForFloatingIPNotFound",
            )
        return self.state.change(
            self.state.floatingips,
            row,
            port_id=port_id,
            fixed_ip_address=fixed or port["fixed_ips"][0]["ip_address"],
            router_id=router,
            status="ACTIVE",
        )

    def release(self, row: Row) -> Row:
        """Disassociate a floating IP from its port."""
        return self.state.change(
            self.state.floatingips, row, port_id=None, fixed_ip_address=None, router_id=None, status="DOWN"
        )

    def delete_floating(self, row_id: str) -> None:
        """Delete a floating IP."""
        row = self.floating(row_id)
        self.networks.give_back(row["_subnet"], row["floating_ip_address"])
        self.state.floatingips.remove(row_id)

    def _addresses(self, network: Row, wanted: list[dict[str, str]] | None) -> list[dict[str, str]]:
        subnets = self._subnets(network)
        if wanted is None:
            wanted = [{"subnet_id": subnets[0]["id"]}] if subnets else []
        given = []
        for one in wanted:
            subnet = next((row for row in subnets if row["id"] == one.get("subnet_id", row["id"])), None)
            if subnet is None:
                raise ApiError(
                    400,
                    f"Invalid input for operation: Failed to create port on network {network['id']}, because fixed_ips "
                    f"included invalid subnet {one.get('subnet_id')}.",
                    "InvalidInput",
                )
            given.append({"subnet_id": subnet["id"], "ip_address": self.networks.take(subnet, one.get("ip_address"))})
        return given

    def _subnets(self, network: Row) -> list[Row]:
        return self.state.subnets.where("network_id", network["id"])

    def _free(self, row: Row) -> None:
        for ip in row["fixed_ips"]:
            self.networks.give_back(ip["subnet_id"], ip["ip_address"])

    def _router_towards(self, subnet_ids: set[str], external_id: str) -> str | None:
        for subnet_id in subnet_ids:
            for port in self.state.ports.where("subnet", subnet_id):
                if port["device_owner"] != "network:router_interface":
                    continue
                router = self.state.routers.get(port["device_id"])
                gateway = (router or {}).get("external_gateway_info") or {}
                if gateway.get("network_id") == external_id:
                    return str(port["device_id"])
        return None
