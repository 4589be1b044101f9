"""Finds and deletes resources of a cluster that remain in its project.

Rule: a resource belongs to a cluster if its tag, metadata, name prefix or description says so, or if it is attached to
one of the cluster's servers. Nothing else is listed, because listed resources may be deleted. Kinds are in order of
deletion: a resource after those that use it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from openstack.connection import Connection

from shared.cloud import heat, neutron, nova, rest
from shared.cloud.types import InventoryItem
from shared.domain.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Mark:
    """Recognizes the resources of a cluster. Pure.

    Args:
        server_ids: servers whose ports belong to the cluster, regardless of who created the ports.
    """

    cluster_id: str
    server_ids: frozenset[str]

    @property
    def tag(self) -> str:
        return f"jeroboam-cluster-{self.cluster_id}"

    def on(self, item: Mapping[str, Any]) -> bool:
        """Whether `item`, in the format of its API, belongs to the cluster."""
        return (
            str(item.get("name") or "").startswith(f"jeroboam-{self.cluster_id}")
            or self.tag in (item.get("tags") or ())
            or self.cluster_id in str(item.get("description") or "")
            or item.get("device_id") in self.server_ids
        )


List = Callable[[Connection, Mark, str], Iterable[InventoryItem]]
Delete = Callable[[Connection, str], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource. `service` is its service type if clouds can lack it; None for services of all clouds."""

    list: List
    delete: Delete
    service: str | None = None


def _stacks(connection: Connection, mark: Mark, project_id: str) -> Iterable[InventoryItem]:
    return [InventoryItem("stack", s.id, s.name) for s in heat.list_stacks(connection, mark.tag)]


def _servers(connection: Connection, mark: Mark, project_id: str) -> Iterable[InventoryItem]:
    return [InventoryItem("server", s.id, s.name) for s in nova.list_servers(connection, mark.cluster_id)]


def _server_groups(connection: Connection, mark: Mark, project_id: str) -> Iterable[InventoryItem]:
    return _marked("server_group", nova.server_groups(connection), mark)


def _load_balancers(connection: Connection, mark: Mark, project_id: str) -> Iterable[InventoryItem]:
    found = rest.pages(
        connection.load_balancer,
        "/lbaas/loadbalancers",
        "loadbalancers",
        doing="list load balancers",
        params={"project_id": project_id},
    )
    return _marked("load_balancer", found, mark)


def _delete_load_balancer(connection: Connection, thing_id: str) -> None:
    rest.delete(
        connection.load_balancer,
        f"/lbaas/loadbalancers/{rest.segment(thing_id)}",
        doing=f"delete load balancer {thing_id}",
        params={"cascade": "true"},
    )


def _marked(kind: str, items: Iterable[Mapping[str, Any]], mark: Mark) -> list[InventoryItem]:
    return [InventoryItem(kind, item["id"], item.get("name") or "") for item in items if mark.on(item)]


def _neutron_kind(kind: str, collection: str, delete: Delete | None = None) -> Kind:
    def found(connection: Connection, mark: Mark, project_id: str) -> Iterable[InventoryItem]:
        return _marked(kind, neutron.of_project(connection, collection, project_id), mark)

    def gone(connection: Connection, thing_id: str) -> None:
        neutron.delete(connection, collection, thing_id)

    return Kind(found, delete or gone)


KINDS: Mapping[str, Kind] = {
    "stack": Kind(_stacks, heat.delete_stack),
    "load_balancer": Kind(_load_balancers, _delete_load_balancer, service="load-balancer"),
    "server": Kind(_servers, nova.delete_server),
    "floating_ip": _neutron_kind("floating_ip", "floatingips"),
    # Before ports: the ports of its interfaces can only be deleted with it.
    "router": _neutron_kind("router", "routers", neutron.delete_router),
    "port": _neutron_kind("port", "ports"),
    "subnet": _neutron_kind("subnet", "subnets"),
    "network": _neutron_kind("network", "networks"),
    "security_group": _neutron_kind("security_group", "security-groups"),
    "server_group": Kind(_server_groups, nova.delete_server_group),
}


def mark(cluster_id: str, server_ids: Collection[str]) -> Mark:
    """The mark of a cluster.

    Raises:
        PermanentError: for an empty ID, which would match all resources.
    """
    if not cluster_id:
        raise PermanentError("an inventory needs the cluster's ID")
    return Mark(cluster_id, frozenset(server_ids) - {""})


def delete(connection: Connection, item: InventoryItem) -> None:
    """See `Cloud.delete_leftover`. Raises `TemporaryError` (from a conflict) while the resource is in use."""
    if item.kind not in KINDS:
        raise PermanentError(f"resources of kind {item.kind} cannot be deleted")
    KINDS[item.kind].delete(connection, item.id)
