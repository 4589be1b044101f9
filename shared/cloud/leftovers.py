"""Finds and deletes resources of a cluster that remain in its project.

Rule: a resource belongs to a cluster if its tag, metadata, name prefix or description says so, or if it is attached to
one of the cluster's servers. Nothing else is listed, because listed resources may be deleted. Kinds are in order of
deletion: a resource after those that use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shared.cloud import heat, neutron, nova, rest
from shared.cloud.names import OWNED, cluster_tag
from shared.cloud.types import InventoryItem, Server
from shared.domain.errors import PermanentError

if TYPE_CHECKING:
    from openstack.connection import Connection

_OWNER = re.compile(r"jeroboam-(?:cluster-)?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?![0-9a-f])")


class Mark(Protocol):
    """Recognizes the resources of clusters. Pure."""

    @property
    def tag(self) -> str:
        """The tag of all stacks that may have it."""
        ...

    def owner(self, item: Mapping[str, Any]) -> str | None:
        """The cluster that `item`, in the format of its API, belongs to; None if it has no such mark."""
        ...

    def owner_of_server(self, server: Server) -> str | None:
        """The same for a server, which is marked by its metadata."""
        ...


@dataclass(frozen=True, slots=True)
class ClusterMark:
    """That of one cluster.

    Args:
        server_ids: servers whose ports belong to the cluster, regardless of who created the ports.
    """

    cluster_id: str
    server_ids: frozenset[str]

    @property
    def tag(self) -> str:
        return cluster_tag(self.cluster_id)

    def owner(self, item: Mapping[str, Any]) -> str | None:
        marked = (
            str(item.get("name") or "").startswith(f"jeroboam-{self.cluster_id}")
            or self.tag in (item.get("tags") or ())
            or self.cluster_id in str(item.get("description") or "")
            or item.get("device_id") in self.server_ids
        )
        return self.cluster_id if marked else None

    def owner_of_server(self, server: Server) -> str | None:
        return self.cluster_id if server.metadata.get(nova.CLUSTER_KEY) == self.cluster_id else None


@dataclass(frozen=True, slots=True)
class EveryMark:
    """That of any cluster, in the places where only Jeroboam writes: names and tags, and metadata of servers."""

    tag: str = OWNED

    def owner(self, item: Mapping[str, Any]) -> str | None:
        for text in (str(item.get("name") or ""), *(item.get("tags") or ())):
            if (found := _OWNER.match(str(text))) is not None:
                return found[1]
        return None

    def owner_of_server(self, server: Server) -> str | None:
        return server.metadata.get(nova.CLUSTER_KEY)


List = Callable[["Connection", Mark, str], Iterable[InventoryItem]]
Delete = Callable[["Connection", str], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource. `service` is its service type if clouds can lack it; None for services of all clouds."""

    list: List
    delete: Delete
    service: str | None = None


def _stacks(connection: Connection, mark: Mark, project_id: str) -> Iterable[InventoryItem]:
    found = heat.list_stacks(connection, mark.tag)
    return _marked("stack", ({"id": s.id, "name": s.name, "tags": [*s.tags, mark.tag]} for s in found), mark)


def _servers(connection: Connection, mark: Mark, project_id: str) -> Iterable[InventoryItem]:
    return [
        InventoryItem("server", server.id, server.name, owner)
        for server in nova.marked_servers(connection)
        if (owner := mark.owner_of_server(server))
    ]


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
    return [
        InventoryItem(kind, item["id"], item.get("name") or "", owner) for item in items if (owner := mark.owner(item))
    ]


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


def mark(cluster_id: str, server_ids: Collection[str]) -> ClusterMark:
    """The mark of a cluster.

    Raises:
        PermanentError: for an empty ID, which would match all resources.
    """
    if not cluster_id:
        raise PermanentError("an inventory needs the cluster's ID")
    return ClusterMark(cluster_id, frozenset(server_ids) - {""})


def delete(connection: Connection, item: InventoryItem) -> None:
    """See `Cloud.delete_leftover`. Raises `TemporaryError` (from a conflict) while the resource is in use."""
    if item.kind not in KINDS:
        raise PermanentError(f"resources of kind {item.kind} cannot be deleted")
    KINDS[item.kind].delete(connection, item.id)
