"""Routers of the simulated Neutron: gateways and interfaces.

Rule: an interface is a port owned by the router. A router with interfaces cannot be deleted, and an interface that a
floating IP needs cannot be removed.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.neutron.networks import Networks
from sandbox.openstack.neutron.ports import Ports
from sandbox.openstack.neutron.state import NeutronState, missing
from sandbox.openstack.store import Row
from sandbox.openstack.wire import ApiError

ROUTER: dict[str, Any] = {
    "admin_state_up": True,
    "external_gateway_info": None,
    "availability_zone_hints": [],
    "distributed": False,
    "ha": False,
    "routes": [],
    "flavor_id": None,
}
INTERFACE = "network:router_interface"


class Routers:
    """Creates, connects and deletes routers."""

    def __init__(self, state: NeutronState, networks: Networks, ports: Ports) -> None:
        self.state = state
        self.networks = networks
        self.ports = ports

    def create(self, project_id: str, fields: dict[str, Any]) -> Row:
        """A new router, perhaps with a gateway."""
        self.state.reserve(project_id, "router")
        fields = dict(fields)
        gateway = fields.pop("external_gateway_info", None)
        row = self.state.routers.add(
            self.state.row(project_id, fields, ROUTER, status="ACTIVE", availability_zones=["nova"])
        )
        return self.update(row, {"external_gateway_info": gateway}) if gateway else row

    def router(self, row_id: str) -> Row:
        """A router, or 404."""
        row = self.state.routers.get(row_id)
        if row is None:
            raise missing("Router", row_id)
        return row

    def update(self, row: Row, changes: dict[str, Any]) -> Row:
        """Change a router; a new gateway gets an address of the external network."""
        changes = dict(changes)
        if "external_gateway_info" in changes:
            wanted = changes.pop("external_gateway_info")
            self._drop_gateway(row)
            changes["external_gateway_info"] = self._gateway(row, wanted) if wanted else None
        return self.state.change(self.state.routers, row, **changes)

    def delete(self, row_id: str) -> None:
        """Delete a router and its gateway; 409 while it has interfaces."""
        row = self.router(row_id)
        if ports := self._interfaces(row_id):
            ids = ",".join(port["id"] for port in ports)
            raise ApiError(409, f"Router {row_id} has ports still attached: {ids}", "RouterInUse")
        self._drop_gateway(row)
        self.state.routers.remove(row_id)

    def add_interface(self, row: Row, fields: dict[str, Any]) -> dict[str, Any]:
        """Connect a subnet (taking its gateway address) or an existing port."""
        if fields.get("port_id"):
            port = self.ports.port(fields["port_id"])
            if port["device_id"]:
                raise ApiError(409, f"Unable to complete operation on port {port['id']}: Port is in use.", "PortInUse")
            self.ports.update(port, {"device_id": row["id"], "device_owner": INTERFACE})
        else:
            subnet = self.networks.subnet(str(fields.get("subnet_id")))
            if any(subnet["id"] == ip["subnet_id"] for p in self._interfaces(row["id"]) for ip in p["fixed_ips"]):
                raise ApiError(
                    400, f"Bad router request: Router already has a port on subnet {subnet['id']}.", "BadRequest"
                )
            port = self.ports.create(
                row["project_id"],
                {
                    "network_id": subnet["network_id"],
                    "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}],
                    "device_id": row["id"],
                    "device_owner": INTERFACE,
                    "security_groups": [],
                },
            )
        return self._shown(row, port)

    def remove_interface(self, row: Row, fields: dict[str, Any]) -> dict[str, Any]:
        """Disconnect a subnet or port; 409 while a floating IP goes through it."""
        port = next(
            (
                port
                for port in self._interfaces(row["id"])
                if port["id"] == fields.get("port_id")
                or any(ip["subnet_id"] == fields.get("subnet_id") for ip in port["fixed_ips"])
            ),
            None,
        )
        if port is None:
            if fields.get("port_id"):
                words = f"Router {row['id']} does not have an interface with id {fields['port_id']}"
                raise ApiError(404, words, "RouterInterfaceNotFound")
            words = f"Router {row['id']} has no interface on subnet {fields.get('subnet_id')}"
            raise ApiError(404, words, "RouterInterfaceNotFoundForSubnet")
        subnet_id = port["fixed_ips"][0]["subnet_id"]
        for other in self.state.ports.where("subnet", subnet_id):
            if any(ip["router_id"] == row["id"] for ip in self.state.floatingips.where("port_id", other["id"])):
                raise ApiError(
                    409,
                    f"Router interface for subnet {subnet_id} on router {row['id']} cannot be deleted, "
                    "as it is required by one or more floating IPs.",
                    "RouterInterfaceInUseByFloatingIP",
                )
        shown = self._shown(row, port)
        self.ports.delete(port["id"], by_owner=True)
        return shown

    def _interfaces(self, router_id: str) -> list[Row]:
        return [p for p in self.state.ports.where("device_id", router_id) if p["device_owner"] == INTERFACE]

    def _gateway(self, row: Row, wanted: dict[str, Any]) -> dict[str, Any]:
        network = self.networks.network(str(wanted.get("network_id")))
        if not network["router:external"]:
            raise ApiError(
                400, f"Bad router request: Network {network['id']} is not an external network.", "BadRequest"
            )
        port = self.ports.create(
            row["project_id"],
            {
                "network_id": network["id"],
                "device_id": row["id"],
                "device_owner": "network:router_gateway",
                "security_groups": [],
            },
        )
        # Gateway ports have no project and are not visible to it, as in Neutron.
        self.state.ports.update(port, project_id="", tenant_id="")
        return {
            "network_id": network["id"],
            "enable_snat": wanted.get("enable_snat", True),
            "external_fixed_ips": port["fixed_ips"],
        }

    def _drop_gateway(self, row: Row) -> None:
        for port in self.state.ports.where("device_id", row["id"]):
            if port["device_owner"] == "network:router_gateway":
                self.ports.delete(port["id"], by_owner=True)

    @staticmethod
    def _shown(row: Row, port: Row) -> dict[str, Any]:
        subnet_id = port["fixed_ips"][0]["subnet_id"]
        return {
            "id": row["id"],
            "tenant_id": row["tenant_id"],
            "project_id": row["project_id"],
            "port_id": port["id"],
            "network_id": port["network_id"],
            "subnet_id": subnet_id,
            "subnet_ids": [subnet_id],
            "tags": [],
        }
