"""Converts rows to the plain values that a driver reads, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from jeroboam.driver import ClusterSpec, NodegroupSpec, NodeSpec
from shared.db.models import Cluster, Node, Nodegroup
from shared.domain.states import Loss

_FIELDS = frozenset(field.name for field in fields(ClusterSpec))


_DEFAULTS = "default_labels"


def stored(spec: ClusterSpec, defaults: Mapping[str, str]) -> dict[str, Any]:
    """What goes into `clusters.spec`. Labels are left out: the row has them, and they may change.

    Args:
        defaults: the engine's `release_labels`; a cluster keeps those of the release that it was created with.
    """
    return {name: getattr(spec, name) for name in _FIELDS if name != "labels"} | {_DEFAULTS: dict(defaults)}


def read_spec(values: Mapping[str, Any], labels: Mapping[str, str]) -> ClusterSpec:
    """A cluster's spec from the columns `spec` and `labels`; what another version stored besides is ignored."""
    known = {name: value for name, value in values.items() if name in _FIELDS}
    return ClusterSpec(**known, labels=with_defaults(values, labels))


def with_defaults(values: Mapping[str, Any], labels: Mapping[str, str]) -> Mapping[str, str]:
    """Labels with the defaults of the release that the cluster was created with; `values` is the column `spec`."""
    missing = {name: value for name, value in (values.get(_DEFAULTS) or {}).items() if not _is_set(labels, name)}
    return {**labels, **missing} if missing else labels


def without_defaults(row: Cluster, labels: Mapping[str, str]) -> dict[str, str]:
    """The same labels as users see them: without defaults that were not among the cluster's labels before."""
    defaults = row.spec.get(_DEFAULTS) or {}
    return {name: value for name, value in labels.items() if name in row.labels or defaults.get(name) != value}


def _is_set(labels: Mapping[str, str], name: str) -> bool:
    """An empty label counts as not set."""
    return bool(str(labels.get(name, "")).strip())


def cluster_spec(row: Cluster) -> ClusterSpec:
    return read_spec(row.spec, row.labels)


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
        operating_system=row.operating_system or "",
        hardware=row.hardware or "",
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
        lost=row.loss == Loss.MACHINE,
    )
