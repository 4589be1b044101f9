"""A cluster as plain values for a step, read in one short transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import MASTER, ClusterSpec, Engine, NodegroupSpec, NodeSpec
from shared.db.engine import Database
from shared.db.models import Cluster, Node, Nodegroup
from shared.domain.errors import NotFound
from shared.drivers.driver import Driver
from shared.drivers.registry import get_driver, get_engine
from shared.operations.specs import cluster_spec, node_spec, nodegroup_spec


@dataclass(frozen=True, slots=True)
class ClusterState:
    """`nodes` are ordered by nodegroup and index; `create_timeout` in minutes."""

    spec: ClusterSpec
    engine: Engine
    nodegroups: Mapping[str, NodegroupSpec]
    nodes: tuple[NodeSpec, ...]
    base_outputs: Mapping[str, Any]
    create_timeout: int | None

    def driver(self, group: NodegroupSpec) -> Driver:
        """The driver of one of its nodegroups. Raises NotFound."""
        return get_driver(self.engine.name, group.operating_system, group.hardware)

    def shards(self) -> dict[tuple[str, int], list[NodeSpec]]:
        """(nodegroup uuid, shard number) -> its nodes."""
        grouped: dict[tuple[str, int], list[NodeSpec]] = {}
        for node in self.nodes:
            grouped.setdefault((node.nodegroup_id, node.shard), []).append(node)
        return grouped


async def read_cluster(session: AsyncSession, cluster_id: str) -> ClusterState:
    """Raises NotFound when the cluster is gone."""
    cluster = await session.scalar(select(Cluster).where(Cluster.uuid == cluster_id))
    if cluster is None:
        raise NotFound(f"cluster {cluster_id} is gone")
    groups = await session.scalars(select(Nodegroup).where(Nodegroup.cluster_id == cluster_id).order_by(Nodegroup.id))
    nodes = await session.scalars(
        select(Node).where(Node.cluster_id == cluster_id).order_by(Node.nodegroup_id, Node.index)
    )
    return ClusterState(
        spec=cluster_spec(cluster),
        engine=get_engine(cluster.engine),
        nodegroups={group.uuid: nodegroup_spec(group) for group in groups},
        nodes=tuple(node_spec(node) for node in nodes),
        base_outputs=cluster.base_outputs,
        create_timeout=cluster.create_timeout,
    )


async def load_cluster(database: Database, cluster_id: str) -> ClusterState:
    """`read_cluster` in a transaction of its own."""
    async with database.transaction() as session:
        return await read_cluster(session, cluster_id)


async def record_versions(session: AsyncSession, cluster: Cluster) -> None:
    """Write what the cluster runs into its row, once its nodes have joined: what a master reports, where they do."""
    engine, spec = get_engine(cluster.engine), cluster_spec(cluster)
    version = engine.version(spec)
    if engine.version_fact is not None:
        masters = select(Node.version).where(Node.cluster_id == cluster.uuid, Node.role == MASTER)
        reported = masters.where(Node.version.is_not(None)).order_by(Node.index).limit(1)
        version = await session.scalar(reported) or version
    cluster.coe_version = version
    cluster.container_version = engine.container_version(spec)
