"""Nova's REST API: servers and server groups. Synchronous; runs in the threads of `Calls`.

Rule: microversion 2.1 is used, which all Nova releases in use support, except where a field needs a later one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.cloud import rest
from shared.cloud.types import Server

if TYPE_CHECKING:
    from openstack.connection import Connection

CLUSTER_KEY = "jeroboam_cluster"
NODE_KEY = "jeroboam_node"
FAULTS_ASKED = 20
NAMESAKES = 100  # servers of one name that are looked at
_DELETING = ("deleting", "soft-deleting")


def list_servers(connection: Connection, cluster_id: str) -> list[Server]:
    """See `Cloud.list_servers`. Nova filters by metadata only for administrators, so this filters the list.

    The list lacks the fault of a server that was never scheduled: Nova stores it in another cell (cell0) and shows it
    only in the server's details. These are read for the first few servers; the others usually have the same fault.
    """
    doing = f"list servers of cluster {cluster_id}"
    return _listed(connection, doing, lambda item: item.get("metadata", {}).get(CLUSTER_KEY) == cluster_id)


def list_marked_servers(connection: Connection, ids: Set[str]) -> list[Server]:
    """See `Cloud.list_marked_servers`. A user may have removed the metadata of a server, so it is found by its ID."""
    return _listed(
        connection, "list servers", lambda item: CLUSTER_KEY in item.get("metadata", {}) or item["id"] in ids
    )


def marked_servers(connection: Connection) -> Iterator[Server]:
    """All servers of the project whose metadata names a cluster, without their faults."""
    yield from map(_server, _details(connection, "list servers", lambda item: CLUSTER_KEY in item.get("metadata", {})))


def find_server(connection: Connection, server_id: str) -> Server | None:
    """See `Cloud.find_server`."""
    shown = rest.get_or_none(connection.compute, "/servers", server_id, doing=f"show server {server_id}")
    return None if shown is None else _server(shown["server"])


def find_node_server(connection: Connection, name: str, node_id: str) -> Server | None:
    """See `Cloud.find_node_server`. Nova takes the name as a regular expression, so the answer is compared."""
    query = {"name": f"^{re.escape(name)}$", "limit": NAMESAKES}
    answer = rest.call(connection.compute, "GET", "/servers/detail", doing=f"find server {name}", params=query)
    for item in answer["servers"]:
        if item["name"] == name and item.get("metadata", {}).get(NODE_KEY) == node_id:
            return _server(item)
    return None


def console_output(connection: Connection, server_id: str, lines: int) -> str:
    """See `Cloud.console_output`."""
    answer = rest.call(
        connection.compute,
        "POST",
        f"/servers/{rest.segment(server_id)}/action",
        doing=f"read console of server {server_id}",
        json={"os-getConsoleOutput": {"length": lines}},
    )
    return str(answer.get("output") or "")


def _details(connection: Connection, doing: str, wanted: Callable[[dict[str, Any]], bool]) -> Iterator[dict[str, Any]]:
    return filter(wanted, rest.pages(connection.compute, "/servers/detail", "servers", doing=doing))


def _listed(connection: Connection, doing: str, wanted: Callable[[dict[str, Any]], bool]) -> list[Server]:
    found = list(_details(connection, doing, wanted))
    silent = [n for n, item in enumerate(found) if item["status"] == "ERROR" and not item.get("fault")]
    for n in silent[:FAULTS_ASKED]:
        shown = rest.get_or_none(connection.compute, "/servers", found[n]["id"], doing=doing)
        if shown is not None:
            found[n] = shown["server"]
    return [_server(item) for item in found]


def delete_server(connection: Connection, server_id: str) -> None:
    path = f"/servers/{rest.segment(server_id)}"
    rest.delete(connection.compute, path, doing=f"delete server {server_id}")


def server_groups(connection: Connection) -> Iterator[dict[str, Any]]:
    """The server groups of the project. Unlike Nova's other lists, it is paged by offset; few exist (quota: 10)."""
    answer = rest.call(
        connection.compute,
        "GET",
        "/os-server-groups",
        doing="list server groups",
        params={"limit": 1000},
    )
    yield from answer["server_groups"]


def delete_server_group(connection: Connection, group_id: str) -> None:
    path = f"/os-server-groups/{rest.segment(group_id)}"
    rest.delete(connection.compute, path, doing=f"delete server group {group_id}")


def _server(item: Mapping[str, Any]) -> Server:
    return Server(
        id=item["id"],
        name=item["name"],
        status=item["status"],
        fault=(item.get("fault") or {}).get("message", ""),
        metadata=dict(item.get("metadata") or {}),
        addresses=tuple(
            address["addr"] for addresses in (item.get("addresses") or {}).values() for address in addresses
        ),
        floating_ips=tuple(
            address["addr"]
            for addresses in (item.get("addresses") or {}).values()
            for address in addresses
            if address.get("OS-EXT-IPS:type") == "floating"
        ),
        launched_at=_time(item.get("OS-SRV-USG:launched_at")),
        deleting=item.get("OS-EXT-STS:task_state") in _DELETING,
    )


def _time(text: str | None) -> datetime | None:
    """A time of Nova, which is in UTC and says so only in some of its fields."""
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC) if text else None
