"""Adding nodes: rows first, machines after.

Rule: an index is never given twice in a nodegroup, and a shard never holds more than `nodes_per_stack` nodes, so a
node's place in the cloud follows from its row alone.
"""

from __future__ import annotations

import re
from collections import Counter

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Node, Nodegroup
from shared.domain.ids import new_id
from shared.domain.states import NodeState

_UNSAFE = re.compile(r"[^a-z0-9-]+")


def node_name(cluster_name: str, cluster_id: str, nodegroup_name: str, index: int) -> str:
    """A host name: unique among the project's clusters, at most 63 characters, letters, digits and dashes."""
    unique = cluster_id.replace("-", "")[-8:]
    tail = f"-{unique}-{_host_part(nodegroup_name)[:20]}-{index}"
    return _host_part(cluster_name)[: 63 - len(tail)].rstrip("-") + tail


def _host_part(name: str) -> str:
    return _UNSAFE.sub("-", name.lower()).strip("-") or "c"


async def add_nodes(
    session: AsyncSession, cluster: Cluster, nodegroup: Nodegroup, count: int, nodes_per_stack: int
) -> list[Node]:
    """Insert rows for `count` more nodes of a nodegroup.

    Args:
        session: the caller's transaction; the cluster is locked or new in it.
        nodes_per_stack: the most nodes one shard may hold.
    """
    filled = Counter(await session.scalars(select(Node.shard).where(Node.nodegroup_id == nodegroup.uuid)))
    shard = 0
    nodes: list[Node] = []
    first = nodegroup.next_index or 0  # a row made in this transaction has not read its default yet
    nodegroup.next_index = first + count
    for index in range(first, first + count):
        while filled[shard] >= nodes_per_stack:
            shard += 1
        filled[shard] += 1
        nodes.append(
            Node(
                uuid=new_id(),
                cluster_id=cluster.uuid,
                nodegroup_id=nodegroup.uuid,
                name=node_name(cluster.name, cluster.uuid, nodegroup.name, index),
                role=nodegroup.role,
                index=index,
                shard=shard,
                state=NodeState.PLANNED,
            )
        )
    session.add_all(nodes)
    return nodes
