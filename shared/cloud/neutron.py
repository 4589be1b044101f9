"""Neutron's REST API: remaining resources of clusters. Synchronous.

Rule: every list is filtered by project, because a service user with an inherited `admin` role sees the resources of all
projects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shared.cloud import rest
from shared.domain.errors import NotFound

if TYPE_CHECKING:
    from openstack.connection import Connection

ROUTER_PORTS = ("network:router_interface", "network:router_interface_distributed")


def of_project(connection: Connection, collection: str, project_id: str) -> Iterator[dict[str, Any]]:
    """All resources of one kind that the project owns; `collection` is Neutron's name, e.g. `security-groups`."""
    return rest.pages(
        connection.network,
        f"/{collection}",
        collection.replace("-", "_"),
        doing=f"list {collection}",
        params={"project_id": project_id},
    )


def delete(connection: Connection, collection: str, thing_id: str) -> None:
    path = f"/{collection}/{rest.segment(thing_id)}"
    rest.delete(connection.network, path, doing=f"delete {collection} {thing_id}")


def delete_router(connection: Connection, router_id: str) -> None:
    """Remove a router's interfaces, then delete it; Neutron does not delete a router with interfaces."""
    ports = rest.pages(
        connection.network,
        "/ports",
        "ports",
        doing=f"list ports of router {router_id}",
        params={"device_id": router_id},
    )
    for port in list(ports):
        if port.get("device_owner") not in ROUTER_PORTS:
            continue
        try:
            rest.call(
                connection.network,
                "PUT",
                f"/routers/{rest.segment(router_id)}/remove_router_interface",
                doing=f"remove port {port['id']} from router {router_id}",
                json={"port_id": port["id"]},
            )
        except NotFound:
            continue
    delete(connection, "routers", router_id)
