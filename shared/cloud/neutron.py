"""Neutron's REST API: networks, subnets, quotas, and remaining resources of clusters. Synchronous.

Rule: every list is filtered by project, because a service user with an inherited `admin` role sees the resources of all
projects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openstack.connection import Connection

from shared.cloud import rest
from shared.cloud.types import Network, QuotaLine, Subnet
from shared.domain.errors import NotFound

EXTERNAL = "router:external"
QUOTAS = (
    "port",
    "network",
    "subnet",
    "router",
    "floatingip",
    "security_group",
    "security_group_rule",
)
ROUTER_PORTS = ("network:router_interface", "network:router_interface_distributed")


def find_network(connection: Connection, name_or_id: str, external: bool | None) -> Network | None:
    """See `Cloud.find_network`: networks of the project, shared networks and external networks."""
    params = {} if external is None else {EXTERNAL: str(external)}
    item = _find(connection, "network", name_or_id, params)
    return None if item is None else _network(item)


def list_external_networks(connection: Connection) -> list[Network]:
    found = rest.pages(
        connection.network,
        "/networks",
        "networks",
        doing="list external networks",
        params={EXTERNAL: "True"},
    )
    return [_network(item) for item in found]


def find_subnet(connection: Connection, name_or_id: str) -> Subnet | None:
    item = _find(connection, "subnet", name_or_id, {})
    if item is None:
        return None
    return Subnet(id=item["id"], name=item["name"], network_id=item["network_id"], cidr=item["cidr"])


def quotas(connection: Connection, project_id: str) -> dict[str, QuotaLine]:
    """Limits and usage of the project. Empty without Neutron's extension `quota_details`."""
    path = f"/quotas/{rest.segment(project_id)}/details.json"
    try:
        answer = rest.call(connection.network, "GET", path, doing="read Neutron's quotas")
    except NotFound:
        return {}
    lines = answer["quota"]
    return {
        name: QuotaLine(name, int(lines[name]["limit"]), int(lines[name]["used"]) + int(lines[name].get("reserved", 0)))
        for name in QUOTAS
        if isinstance(lines.get(name), Mapping)
    }


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


def _find(connection: Connection, kind: str, name_or_id: str, params: Mapping[str, str]) -> dict[str, Any] | None:
    """Find by ID if it can be one, otherwise by name. Both use a list, so that the filters apply."""
    doing = f"find {kind} {name_or_id}"
    if rest.looks_like_id(name_or_id):
        query = {**params, "id": name_or_id}
        by_id = list(rest.pages(connection.network, f"/{kind}s", f"{kind}s", doing=doing, params=query))
        if by_id:
            return by_id[0]
    query = {**params, "name": name_or_id}
    by_name = list(rest.pages(connection.network, f"/{kind}s", f"{kind}s", doing=doing, params=query))
    return rest.only(by_name, kind=kind, name=name_or_id)


def _network(item: Mapping[str, Any]) -> Network:
    return Network(
        id=item["id"],
        name=item["name"],
        external=bool(item.get(EXTERNAL)),
        subnet_ids=tuple(item.get("subnets") or ()),
    )
