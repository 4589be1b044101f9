"""Simulated nodes for a real Nova with the fake hypervisor.

Rule: what the servers of a cluster would do is read from their own user data, as an administrator; a server whose
deletion Nova tells of has its node ended within one poll.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import structlog
from openstack.connection import Connection

from sandbox.nodes.fleet import Fleet
from sandbox.openstack.hypervisor import Machine

log = structlog.get_logger(__name__)
MARK = "jeroboam_cluster"
# The lowest microversion that shows an administrator the user data.
MICROVERSION = "2.3"
PAGE = 500


def machines(connection: Connection) -> dict[str, Machine | None]:
    """All servers that are nodes of a cluster: id -> machine when ACTIVE, None while they are something else.

    Args:
        connection: an administrator's.
    """
    found: dict[str, Machine | None] = {}
    for server in _servers(connection):
        if MARK not in server.get("metadata", {}) or server.get("OS-EXT-STS:task_state") == "deleting":
            continue
        found[server["id"]] = _machine(server) if server["status"] == "ACTIVE" else None
    return found


async def impersonate(connection: Connection, fleet: Fleet, every: float) -> None:
    """Keep the fleet equal to Nova's servers until cancelled.

    Args:
        connection: an administrator's.
        fleet: runs the nodes.
        every: seconds between two looks.
    """
    while True:
        try:
            async with asyncio.timeout(120):
                seen = await asyncio.to_thread(machines, connection)
        except Exception as error:
            # Whatever the cloud says now, it is asked again: nodes outlive a moment's trouble with Nova.
            log.warning("could not list servers", error=repr(error))
        else:
            for machine_id in fleet.machine_ids - seen.keys():
                fleet.stop(machine_id, gone=True)
            for machine_id, machine in seen.items():
                if machine is not None:
                    fleet.start(machine)
                elif machine_id in fleet:
                    fleet.stop(machine_id, gone=False)
        await asyncio.sleep(every)


def _servers(connection: Connection) -> Iterator[dict[str, Any]]:
    marker: str | None = None
    while True:
        query: dict[str, Any] = {"all_tenants": "True", "limit": PAGE}
        if marker:
            query["marker"] = marker
        answer = connection.compute.get("/servers/detail", params=query, microversion=MICROVERSION, timeout=60)
        answer.raise_for_status()
        listed = answer.json()["servers"]
        yield from listed
        if len(listed) < PAGE:
            return
        marker = listed[-1]["id"]


def _machine(server: dict[str, Any]) -> Machine:
    text = base64.b64decode(server.get("OS-EXT-SRV-ATTR:user_data") or "").decode(errors="replace")
    addresses = tuple(
        str(one["addr"])
        for network in server["addresses"].values()
        for one in network
        if one.get("OS-EXT-IPS:type", "fixed") == "fixed"
    )
    return Machine(server["id"], server["name"], text, addresses, dict(server["metadata"]))
