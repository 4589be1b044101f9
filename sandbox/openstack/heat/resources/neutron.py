"""Neutron's resource types.

Rule: names are looked up as by Heat's constraints, IDs are passed unchanged. If Neutron rejects a request, the resource
fails with Neutron's message.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.heat.resources.resource import Context, Properties, ResourceType, named, renamed
from sandbox.openstack.neutron.state import NeutronState, missing
from sandbox.openstack.store import Collection, Row, public
from sandbox.openstack.wire import ApiError

COMMON = frozenset({"name", "description", "value_specs", "tags", "admin_state_up"})


def _state(context: Context) -> NeutronState:
    return context.services.neutron.state


def _id(rows: Collection, name_or_id: Any, context: Context, kind: str) -> str:
    row = named(rows, str(name_or_id), context.project_id)
    if row is None:
        raise missing(kind, str(name_or_id))
    return str(row["id"])


def _plain(context: Context, properties: Properties) -> Properties:
    """Properties of the create call, with the default name."""
    extra = properties.get("value_specs") or {}
    kept = {key: value for key, value in properties.items() if key not in {"value_specs", "tags"}}
    return {"name": context.default_name, **kept, **extra}


class _Tagged(ResourceType):
    """Base class of all types that have rows."""

    kind = ""

    def rows(self, context: Context) -> Collection:
        """The collection that contains the physical ID."""
        raise AssertionError(self.name)

    def _tag(self, context: Context, row: Row, properties: Properties) -> str:
        if properties.get("tags"):
            self.rows(context).update(row, tags=sorted(set(properties["tags"])))
        return str(row["id"])

    def update(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Name, description and tags change in place."""
        row = self.rows(context).get(physical_id)
        if row is None:
            raise missing(self.kind, physical_id)
        changes = {key: properties[key] for key in ("name", "description", "tags") if properties.get(key) is not None}
        NeutronState.change(self.rows(context), row, **changes)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        """Every field, and all of them under `show`."""
        row = self.rows(context).get(physical_id)
        return {} if row is None else {**public(row), "show": public(row)}


class Net(_Tagged):
    """OS::Neutron::Net"""

    name = "OS::Neutron::Net"
    kind = "Network"
    optional = COMMON | {"shared", "port_security_enabled", "dns_domain", "qos_policy", "dhcp_agent_ids"}

    def rows(self, context: Context) -> Collection:
        """Networks."""
        return _state(context).networks

    def create(self, context: Context, properties: Properties) -> str:
        """A network."""
        row = context.services.neutron.networks.create_network(context.project_id, _plain(context, properties))
        return self._tag(context, row, properties)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it."""
        context.services.neutron.networks.delete_network(physical_id)


class Subnet(_Tagged):
    """OS::Neutron::Subnet"""

    name = "OS::Neutron::Subnet"
    kind = "Subnet"
    required = frozenset({"network"})
    optional = COMMON | {
        "cidr", "gateway_ip", "enable_dhcp", "dns_nameservers", "host_routes", "allocation_pools", "ip_version",
        "subnetpool", "prefixlen", "ipv6_ra_mode", "ipv6_address_mode", "segment", "network_id",
    }  # fmt: skip
    rebuilt_by = frozenset({"network", "cidr"})

    def rows(self, context: Context) -> Collection:
        """Subnets."""
        return _state(context).subnets

    def create(self, context: Context, properties: Properties) -> str:
        """A subnet of its network."""
        fields = renamed(_plain(context, properties), network="network_id")
        fields["network_id"] = _id(_state(context).networks, fields["network_id"], context, "Network")
        row = context.services.neutron.networks.create_subnet(context.project_id, fields)
        return self._tag(context, row, properties)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it."""
        context.services.neutron.networks.delete_subnet(physical_id)


class Router(_Tagged):
    """OS::Neutron::Router"""

    name = "OS::Neutron::Router"
    kind = "Router"
    optional = COMMON | {"external_gateway_info", "distributed", "ha", "availability_zone_hints"}

    def rows(self, context: Context) -> Collection:
        """Routers."""
        return _state(context).routers

    def create(self, context: Context, properties: Properties) -> str:
        """A router, with its gateway's network found by name or id."""
        fields = _plain(context, properties)
        gateway = fields.get("external_gateway_info")
        if gateway:
            network = _id(_state(context).networks, gateway["network"], context, "Network")
            fields["external_gateway_info"] = {"network_id": network, "enable_snat": gateway.get("enable_snat", True)}
        return self._tag(context, context.services.neutron.routers.create(context.project_id, fields), properties)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it."""
        context.services.neutron.routers.delete(physical_id)


class RouterInterface(ResourceType):
    """OS::Neutron::RouterInterface; its physical ID contains both ends, as in Heat."""

    name = "OS::Neutron::RouterInterface"
    required = frozenset({"router"})
    optional = frozenset({"subnet", "port", "subnet_id", "port_id"})
    rebuilt_by = frozenset({"router", "subnet", "port"})

    def create(self, context: Context, properties: Properties) -> str:
        """Connect a subnet or port."""
        state, routers = _state(context), context.services.neutron.routers
        router = routers.router(_id(state.routers, properties["router"], context, "Router"))
        if properties.get("port"):
            port = _id(state.ports, properties["port"], context, "Port")
            routers.add_interface(router, {"port_id": port})
            return f"{router['id']}:port_id={port}"
        subnet = _id(state.subnets, properties.get("subnet") or properties.get("subnet_id"), context, "Subnet")
        routers.add_interface(router, {"subnet_id": subnet})
        return f"{router['id']}:subnet_id={subnet}"

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Disconnect it."""
        routers = context.services.neutron.routers
        router_id, _, end = physical_id.partition(":")
        key, _, value = end.partition("=")
        routers.remove_interface(routers.router(router_id), {key: value})


class Port(_Tagged):
    """OS::Neutron::Port"""

    name = "OS::Neutron::Port"
    kind = "Port"
    required = frozenset({"network"})
    optional = COMMON | {
        "fixed_ips", "security_groups", "allowed_address_pairs", "device_owner", "device_id", "mac_address",
        "port_security_enabled", "binding:vnic_type", "dns_name", "replacement_policy", "network_id", "qos_policy",
        "propagate_uplink_status", "no_fixed_ips",
    }  # fmt: skip
    rebuilt_by = frozenset({"network", "fixed_ips", "mac_address"})

    def rows(self, context: Context) -> Collection:
        """Ports."""
        return _state(context).ports

    def create(self, context: Context, properties: Properties) -> str:
        """A port, its subnets and groups found by name or id."""
        state = _state(context)
        fields = renamed(_plain(context, properties), network="network_id")
        fields.pop("replacement_policy", None)
        fields["network_id"] = _id(state.networks, fields["network_id"], context, "Network")
        if "fixed_ips" in fields:
            fields["fixed_ips"] = [self._fixed(context, one) for one in fields["fixed_ips"]]
        if "security_groups" in fields:
            fields["security_groups"] = [
                _id(state.groups, one, context, "SecurityGroup") for one in fields["security_groups"]
            ]
        return self._tag(context, context.services.neutron.ports.create(context.project_id, fields), properties)

    def update(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Name, groups and address pairs change in place."""
        super().update(context, physical_id, properties)
        changes: dict[str, Any] = {}
        if properties.get("security_groups") is not None:
            groups = _state(context).groups
            changes["security_groups"] = [
                _id(groups, one, context, "SecurityGroup") for one in properties["security_groups"]
            ]
        if properties.get("allowed_address_pairs") is not None:
            changes["allowed_address_pairs"] = properties["allowed_address_pairs"]
        ports = context.services.neutron.ports
        ports.update(ports.port(physical_id), changes)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it."""
        context.services.neutron.ports.delete(physical_id)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        """Every field, its network and its subnets."""
        shown = super().attributes(context, physical_id)
        if shown:
            state = _state(context)
            network = state.networks.get(shown["network_id"])
            shown["network"] = public(network) if network else {}
            found = [state.subnets.get(ip["subnet_id"]) for ip in shown["fixed_ips"]]
            shown["subnets"] = [public(row) for row in found if row]
        return shown

    @staticmethod
    def _fixed(context: Context, one: dict[str, Any]) -> dict[str, Any]:
        fixed = {}
        subnet = one.get("subnet") or one.get("subnet_id")
        if subnet:
            fixed["subnet_id"] = _id(_state(context).subnets, subnet, context, "Subnet")
        if one.get("ip_address"):
            fixed["ip_address"] = one["ip_address"]
        return fixed


class FloatingIP(_Tagged):
    """OS::Neutron::FloatingIP"""

    name = "OS::Neutron::FloatingIP"
    kind = "FloatingIP"
    required = frozenset({"floating_network"})
    optional = frozenset(
        {"port_id", "fixed_ip_address", "floating_ip_address", "floating_subnet", "value_specs", "tags", "dns_name",
         "dns_domain", "description"}
    )  # fmt: skip
    rebuilt_by = frozenset({"floating_network", "floating_ip_address"})

    def rows(self, context: Context) -> Collection:
        """Floating IPs."""
        return _state(context).floatingips

    def create(self, context: Context, properties: Properties) -> str:
        """A floating IP, perhaps for a port."""
        fields = renamed(_plain(context, properties), floating_network="floating_network_id")
        fields.pop("name")
        fields.pop("floating_subnet", None)
        fields["floating_network_id"] = _id(_state(context).networks, fields["floating_network_id"], context, "Network")
        row = context.services.neutron.ports.create_floating(context.project_id, fields)
        return self._tag(context, row, properties)

    def update(self, context: Context, physical_id: str, properties: Properties) -> None:
        """The port changes in place."""
        super().update(context, physical_id, properties)
        ports = context.services.neutron.ports
        row, port_id = ports.floating(physical_id), properties.get("port_id")
        if port_id != row["port_id"]:
            ports.associate(row, port_id, properties.get("fixed_ip_address")) if port_id else ports.release(row)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Give it back."""
        context.services.neutron.ports.delete_floating(physical_id)


class FloatingIPAssociation(ResourceType):
    """OS::Neutron::FloatingIPAssociation"""

    name = "OS::Neutron::FloatingIPAssociation"
    required = frozenset({"floatingip_id"})
    optional = frozenset({"port_id", "fixed_ip_address"})
    rebuilt_by = required | optional

    def create(self, context: Context, properties: Properties) -> str:
        """Point the floating IP at the port."""
        ports = context.services.neutron.ports
        row = ports.floating(str(properties["floatingip_id"]))
        ports.associate(row, str(properties["port_id"]), properties.get("fixed_ip_address"))
        return str(row["id"])

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Disassociate the floating IP."""
        ports = context.services.neutron.ports
        ports.release(ports.floating(physical_id))


class SecurityGroup(_Tagged):
    """OS::Neutron::SecurityGroup; its `rules` replace the default rules of a new group."""

    name = "OS::Neutron::SecurityGroup"
    kind = "SecurityGroup"
    optional = COMMON | {"rules"}

    def rows(self, context: Context) -> Collection:
        """Security groups."""
        return _state(context).groups

    def create(self, context: Context, properties: Properties) -> str:
        """A group with its rules."""
        fields = {key: value for key, value in _plain(context, properties).items() if key != "rules"}
        row = context.services.neutron.groups.create(context.project_id, fields)
        self._set_rules(context, row["id"], properties.get("rules") or [])
        return self._tag(context, row, properties)

    def update(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Rules are replaced."""
        super().update(context, physical_id, properties)
        groups = context.services.neutron.groups
        for rule in _state(context).rules.where("security_group_id", physical_id):
            if properties.get("rules") is not None:
                groups.delete_rule(rule["id"])
        self._set_rules(context, physical_id, properties.get("rules") or [])

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it."""
        context.services.neutron.groups.delete(physical_id)

    @staticmethod
    def _set_rules(context: Context, group_id: str, rules: list[dict[str, Any]]) -> None:
        for rule in rules:
            fields = {"direction": "ingress", "ethertype": "IPv4", **rule, "security_group_id": group_id}
            mode = fields.pop("remote_mode", "remote_ip_prefix")
            if mode == "remote_group_id" and not fields.get("remote_group_id"):
                fields["remote_group_id"] = group_id
            try:
                context.services.neutron.groups.create_rule(context.project_id, fields)
            except ApiError as error:
                if error.kind != "SecurityGroupRuleExists":
                    raise


class SecurityGroupRule(ResourceType):
    """OS::Neutron::SecurityGroupRule"""

    name = "OS::Neutron::SecurityGroupRule"
    required = frozenset({"security_group"})
    optional = frozenset(
        {"description", "direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_group",
         "remote_ip_prefix"}
    )  # fmt: skip
    rebuilt_by = required | optional

    def create(self, context: Context, properties: Properties) -> str:
        """A rule of a group."""
        groups = _state(context).groups
        fields = renamed(properties, security_group="security_group_id", remote_group="remote_group_id")
        for key in ("security_group_id", "remote_group_id"):
            if key in fields:
                fields[key] = _id(groups, fields[key], context, "SecurityGroup")
        fields.setdefault("direction", "ingress")
        return str(context.services.neutron.groups.create_rule(context.project_id, fields)["id"])

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it."""
        context.services.neutron.groups.delete_rule(physical_id)


TYPES: tuple[ResourceType, ...] = (
    Net(),
    Subnet(),
    Router(),
    RouterInterface(),
    Port(),
    FloatingIP(),
    FloatingIPAssociation(),
    SecurityGroup(),
    SecurityGroupRule(),
)
