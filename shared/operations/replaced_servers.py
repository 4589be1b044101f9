"""Servers that Heat has put in the place of others, e.g. after a resource was marked unhealthy.

Rule: the metadata of a server only says which node it wants to be. Heat's stack has to hold it as the node's server.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.cloud.contract import Cloud
from shared.cloud.names import cluster_tag
from shared.cloud.types import Server
from shared.db.models import Node

NODE_KEY = "jeroboam_node"


@dataclass(frozen=True, slots=True)
class Replacement:
    """The server that a node has now, and its addresses."""

    server: Server
    ip_address: str | None
    floating_ip: str | None


async def find_replacements(cloud: Cloud, gone: Sequence[Node], listed: Collection[Server]) -> dict[str, Replacement]:
    """Node uuid -> its new server, for nodes whose server is gone. Heat is asked only if a server claims to be one.

    Args:
        listed: servers of the project that exist.
    """
    by_node = {
        server.metadata[NODE_KEY]: server
        for server in listed
        if NODE_KEY in server.metadata and not server.deleting and server.status != "ERROR"
    }
    claimed = [node for node in gone if node.uuid in by_node and by_node[node.uuid].id != node.server_id]
    outputs: dict[str, dict[str, object]] = {}  # server id -> the output of its stack
    for cluster_id in sorted({node.cluster_id for node in claimed}):
        for stack in await cloud.list_stacks(tag=cluster_tag(cluster_id)):
            full = await cloud.find_stack(stack.id)
            for output in (full.outputs if full else {}).values():
                if isinstance(output, dict) and isinstance(output.get("server_id"), str):
                    outputs[output["server_id"]] = output
    found: dict[str, Replacement] = {}
    for node in claimed:
        server = by_node[node.uuid]
        if server.id in outputs:
            output = outputs[server.id]
            found[node.uuid] = Replacement(server, _text(output.get("ip_address")), _text(output.get("floating_ip")))
    return found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
