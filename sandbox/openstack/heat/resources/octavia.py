"""Octavia's resource types.

Rule: the types differ only in their parents and property names, which a table defines.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.heat.resources.resource import Context, Properties, ResourceType, named, renamed
from sandbox.openstack.neutron.state import missing
from sandbox.openstack.octavia_checks import ALGORITHMS, DEFAULT_PROVIDER
from sandbox.openstack.store import public

# Fewer than Octavia has.
_MONITORS = ("PING", "TCP", "HTTP", "HTTPS", "UDP-CONNECT")


class LoadBalancer(ResourceType):
    """OS::Octavia::LoadBalancer"""

    name = "OS::Octavia::LoadBalancer"
    required = frozenset({"vip_subnet"})
    optional = frozenset(
        {"name", "description", "vip_address", "provider", "admin_state_up", "flavor", "availability_zone", "tags"}
    )
    rebuilt_by = frozenset({"vip_subnet", "vip_address", "provider", "flavor"})

    def create(self, context: Context, properties: Properties) -> str:
        """A load balancer that is being created."""
        fields = renamed(
            {"name": context.default_name, "provider": DEFAULT_PROVIDER, **properties},
            vip_subnet="vip_subnet_id",
            flavor="flavor_id",
        )
        fields.pop("vip_address", None)
        subnet = named(context.services.neutron.state.subnets, str(fields["vip_subnet_id"]), context.project_id)
        if subnet is None:
            raise missing("Subnet", str(fields["vip_subnet_id"]))
        fields["vip_subnet_id"] = subnet["id"]
        return str(context.services.octavia.create("loadbalancers", context.project_id, fields)["id"])

    async def wait(self, context: Context, physical_id: str) -> None:
        """Until ACTIVE."""
        await context.services.octavia.become_active(physical_id)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it; Heat has removed its children before."""
        context.services.octavia.delete("loadbalancers", physical_id)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        """Every field."""
        row = context.services.octavia.rows["loadbalancers"].get(physical_id)
        return {} if row is None else {**public(row), "show": public(row)}


class _Child(ResourceType):
    """Something below a load balancer."""

    kind = ""
    parents: tuple[str, ...] = ()

    def create(self, context: Context, properties: Properties) -> str:
        """Create it below its parent."""
        parent = next((str(properties[key]) for key in self.parents if properties.get(key)), None)
        fields = {"name": context.default_name, **properties}
        for key in self.parents:
            fields.pop(key, None)
        return str(context.services.octavia.create(self.kind, context.project_id, fields, parent)["id"])

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it."""
        context.services.octavia.delete(self.kind, physical_id)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        """Every field."""
        row = context.services.octavia.rows[self.kind].get(physical_id)
        return {} if row is None else {**public(row), "show": public(row)}


class Listener(_Child):
    """OS::Octavia::Listener"""

    name = "OS::Octavia::Listener"
    kind = "listeners"
    parents = ("loadbalancer",)
    required = frozenset({"protocol", "protocol_port"})
    optional = frozenset(
        {"loadbalancer", "name", "description", "default_pool", "connection_limit", "allowed_cidrs", "admin_state_up",
         "default_tls_container_ref", "sni_container_refs", "tags"}
    )  # fmt: skip
    rebuilt_by = frozenset({"loadbalancer", "protocol", "protocol_port"})


class Pool(_Child):
    """OS::Octavia::Pool"""

    name = "OS::Octavia::Pool"
    kind = "pools"
    parents = ("listener", "loadbalancer")
    required = frozenset({"protocol", "lb_algorithm"})
    optional = frozenset(
        {"loadbalancer", "listener", "name", "description", "session_persistence", "admin_state_up", "tls_enabled",
         "tags"}
    )  # fmt: skip
    rebuilt_by = frozenset({"loadbalancer", "listener", "protocol"})

    def check(self, context: Context, properties: Properties) -> None:
        """Heat knows the algorithms."""
        given = properties.get("lb_algorithm")
        if isinstance(given, str) and given not in ALGORITHMS:
            raise ValueError("lb_algorithm", f'"{given}" is not an allowed value [{", ".join(ALGORITHMS)}]')


class PoolMember(_Child):
    """OS::Octavia::PoolMember"""

    name = "OS::Octavia::PoolMember"
    kind = "members"
    parents = ("pool",)
    required = frozenset({"pool", "address", "protocol_port"})
    optional = frozenset(
        {"name", "subnet", "weight", "monitor_address", "monitor_port", "admin_state_up", "backup", "tags"}
    )
    rebuilt_by = frozenset({"pool", "address", "protocol_port", "subnet"})


class HealthMonitor(_Child):
    """OS::Octavia::HealthMonitor"""

    name = "OS::Octavia::HealthMonitor"
    kind = "healthmonitors"
    parents = ("pool",)
    required = frozenset({"pool", "type", "delay", "max_retries", "timeout"})
    optional = frozenset({"name", "url_path", "http_method", "expected_codes", "admin_state_up", "tags"})
    rebuilt_by = frozenset({"pool", "type"})

    def check(self, context: Context, properties: Properties) -> None:
        """Heat knows the types."""
        given = properties.get("type")
        if isinstance(given, str) and given not in _MONITORS:
            raise ValueError("type", f'"{given}" is not an allowed value [{", ".join(_MONITORS)}]')


TYPES: tuple[ResourceType, ...] = (LoadBalancer(), Listener(), Pool(), PoolMember(), HealthMonitor())
