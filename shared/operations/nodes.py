"""Adds nodes: their rows are created before their machines.

Rule: an index is never given twice in a nodegroup, and a shard never holds more than `nodes_per_stack` nodes, so a
node's place in the cloud follows from its row alone. A node's name is a key: no two nodes of a cluster have the same.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import InfrastructureLabels
from jeroboam.driver.labels import zone_number
from shared.db.models import Cluster, Node, Nodegroup
from shared.domain.ids import new_id
from shared.domain.states import NodeState
from shared.operations.specs import cluster_spec, nodegroup_spec

_UNSAFE = re.compile(r"[^a-z0-9-]+")
# The cluster's part has one length for all nodes of a cluster: 63, less two dashes around 8 digits of the cluster's id,
# the nodegroup's part, a dash and an index of 10 digits.
_CLUSTER_PART = 22
_GROUP_PART = 20
_HASH = 8
_HASHED = re.compile(rf"(.*-)?[0-9a-f]{{{_HASH}}}")


def node_name(
    cluster_name: str, cluster_id: str, nodegroup_name: str, nodegroup_id: str, index: int, *, hashed: bool = False
) -> str:
    """A host name of at most 63 characters: letters, digits and dashes, different for every node of a cluster.

    It ends with the nodegroup's part and the index. The nodegroup's part is its name where that is a host name of at
    most 20 characters; otherwise what is left of the name, and a hash of the nodegroup's id. A name that could be
    taken for such a part gets the hash as well.

    Args:
        hashed: add the hash in any case.
    """
    unique = cluster_id.replace("-", "")[-8:]
    cluster_part = _host_part(cluster_name)[:_CLUSTER_PART].rstrip("-")
    return f"{cluster_part}-{unique}-{_group_part(nodegroup_name, nodegroup_id, hashed)}-{index}"


def _group_part(name: str, nodegroup_id: str, hashed: bool) -> str:
    part = _host_part(name)
    if part == name and len(part) <= _GROUP_PART and not hashed and not _HASHED.fullmatch(part):
        return part
    digest = hashlib.sha256(nodegroup_id.encode()).hexdigest()[:_HASH]
    return f"{part[: _GROUP_PART - _HASH - 1].rstrip('-')}-{digest}"


def _host_part(name: str) -> str:
    return _UNSAFE.sub("-", name.lower()).strip("-") or "c"


def first_nodes(cluster: Mapping[str, Any], nodegroup: Mapping[str, Any], nodes_per_stack: int) -> list[dict[str, Any]]:
    """The columns of the first nodes of a nodegroup of a new cluster, as many as its node count.

    Args:
        cluster, nodegroup: their columns.
        nodes_per_stack: the most nodes one shard may hold.
    """
    ids = (cluster["name"], cluster["uuid"], nodegroup["name"], nodegroup["uuid"])
    return [
        {
            "uuid": new_id(),
            "cluster_id": cluster["uuid"],
            "nodegroup_id": nodegroup["uuid"],
            "name": node_name(*ids, index),
            "role": nodegroup["role"],
            "index": index,
            "shard": index // nodes_per_stack,
            "state": NodeState.PLANNED,
        }
        for index in range(nodegroup["node_count"])
    ]


def zones_of(cluster: Cluster, nodegroup: Nodegroup) -> int:
    """The number of availability zones that the nodes of a nodegroup have in turn; 1 if they are not spread."""
    return max(1, len(InfrastructureLabels.read(cluster_spec(cluster), nodegroup_spec(nodegroup)).zones))


def next_indexes(first: int, count: int, present: Sequence[int], zones: int) -> list[int]:
    """The indexes of new nodes. An index is skipped if its zone has more nodes than another one.

    Args:
        first: the lowest index that was never given.
        present: the indexes of the nodes that stay.
        zones: the number of availability zones, which follow from the indexes.
    """
    filled = Counter(zone_number(index, zones) for index in present)
    found: list[int] = []
    for _ in range(count):
        following = range(first, first + zones)
        index = min(following, key=lambda each: (filled[zone_number(each, zones)], each))
        filled[zone_number(index, zones)] += 1
        found.append(index)
        first = index + 1
    return found


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
    present = select(Node.index).where(Node.nodegroup_id == nodegroup.uuid, Node.state != NodeState.REMOVING)
    indexes = next_indexes(first, count, list(await session.scalars(present)), zones_of(cluster, nodegroup))
    nodegroup.next_index = indexes[-1] + 1 if indexes else first
    names = await _names(session, cluster, nodegroup, indexes)
    for index, name in names.items():
        while filled[shard] >= nodes_per_stack:
            shard += 1
        filled[shard] += 1
        nodes.append(
            Node(
                uuid=new_id(),
                cluster_id=cluster.uuid,
                nodegroup_id=nodegroup.uuid,
                name=name,
                role=nodegroup.role,
                index=index,
                shard=shard,
                state=NodeState.PLANNED,
            )
        )
    session.add_all(nodes)
    return nodes


async def _names(
    session: AsyncSession, cluster: Cluster, nodegroup: Nodegroup, indexes: Sequence[int]
) -> dict[int, str]:
    """Index -> name. A node made before names were unique may have one of these; a hash then makes the difference."""
    parts = (cluster.name, cluster.uuid, nodegroup.name, nodegroup.uuid)
    names = {index: node_name(*parts, index) for index in indexes}
    taken = set(
        await session.scalars(
            select(Node.name).where(Node.cluster_id == cluster.uuid, Node.name.in_(list(names.values())))
        )
    )
    return {index: node_name(*parts, index, hashed=name in taken) for index, name in names.items()}
