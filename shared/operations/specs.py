"""From rows to the plain values a driver reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from shared.db.models import Cluster, Node, Nodegroup
from shared.drivers.base import ClusterSpec, NodegroupSpec, NodeSpec


def stored(spec: ClusterSpec) -> dict[str, Any]:
    """What goes into `clusters.spec`. Labels are left out: the row has them, and they may change."""
    values = asdict(spec)
    del values["labels"]
    return values


def cluster_spec(row: Cluster) -> ClusterSpec:
    return ClusterSpec(**row.spec, labels=row.labels)


def nodegroup_spec(row: Nodegroup) -> NodegroupSpec:
    assert row.flavor_id is not None
    assert row.image_id is not None
    return NodegroupSpec(
        uuid=row.uuid,
        name=row.name,
        role=row.role,
        flavor_id=row.flavor_id,
        image_id=row.image_id,
        node_count=row.node_count,
        labels=row.labels,
        docker_volume_size=row.docker_volume_size,
        node_labels=row.node_labels,
        node_taints=row.node_taints,
    )


def node_spec(row: Node) -> NodeSpec:
    return NodeSpec(
        uuid=row.uuid,
        name=row.name,
        role=row.role,
        index=row.index,
        shard=row.shard,
        nodegroup_id=row.nodegroup_id,
        state=row.state,
        ip_address=row.ip_address,
        floating_ip=row.floating_ip,
    )
