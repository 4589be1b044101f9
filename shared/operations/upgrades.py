"""The target of an upgrade, and what it means for each nodegroup. Pure; requests and the upgrader use it.

Rule: the version of a cluster is that of its masters. An upgrade of the default nodegroups changes it; any other
nodegroup follows only if it is named, and then to the cluster's version. Until then it stays at its own one, and so do
nodes that are added to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jeroboam.driver import ClusterSpec, Engine
from shared.operations.outputs import UpgradeTarget


def cluster_target(engine: Engine, cluster: ClusterSpec, template: Mapping[str, str]) -> UpgradeTarget:
    """The target of a cluster that is upgraded to a template with these labels."""
    labels = dict(engine.upgraded_labels(cluster, template))
    return _target(engine, cluster, labels, _changes(engine, cluster, template))


def nodegroup_target(engine: Engine, cluster: ClusterSpec) -> UpgradeTarget:
    """The target of nodegroups that follow their cluster."""
    return _target(engine, cluster, dict(cluster.labels), _changes(engine, cluster, cluster.labels))


def kept_labels(engine: Engine, cluster: ClusterSpec, nodegroup: Mapping[str, str]) -> dict[str, str]:
    """The labels of a nodegroup that does not follow an upgrade of its cluster.

    Args:
        cluster: as it is before the upgrade.
    """
    return {**_changes(engine, cluster, cluster.labels), **nodegroup}


def _target(engine: Engine, cluster: ClusterSpec, labels: dict[str, str], changes: dict[str, str]) -> UpgradeTarget:
    return UpgradeTarget(labels=labels, version=engine.version(replace(cluster, labels=labels)), changes=changes)


def _changes(engine: Engine, cluster: ClusterSpec, wanted: Mapping[str, str]) -> dict[str, str]:
    """The labels that an upgrade to `wanted` sets, whatever the cluster has."""
    return dict(engine.upgraded_labels(replace(cluster, labels={}), wanted))
