"""The target of an upgrade, and what it means for each nodegroup. Pure; requests and the upgrader use it.

Rule: the version of a cluster is that of its masters. An upgrade of the default nodegroups changes it; any other
nodegroup follows only if it is named, and then to the cluster's version. Until then it stays at its own one, and so do
nodes that are added to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from jeroboam.driver import ClusterSpec, Engine
from shared.operations.outputs import UpgradeTarget


def cluster_target(engine: Engine, cluster: ClusterSpec, template: Mapping[str, str]) -> UpgradeTarget:
    """The target of a cluster that is upgraded to a template with these labels."""
    return _target(engine, cluster, engine.upgraded_labels(cluster, template))


def nodegroup_target(engine: Engine, cluster: ClusterSpec) -> UpgradeTarget:
    """The target of nodegroups that follow their cluster."""
    return _target(engine, cluster, cluster.labels)


def target_problems(engine: Engine, cluster: ClusterSpec, template: Mapping[str, str], *, replaced: bool) -> list[str]:
    """Why the cluster cannot be upgraded to a template with these labels.

    Args:
        replaced: whether all machines are replaced: then the template need not name another version.
    """
    if replaced and engine.upgraded_labels(cluster, template) == cluster.labels:
        return []
    return engine.upgrade_problems(cluster, template)


def replaces_every_machine(images: Collection[str], nodegroup_ids: Collection[str] | None) -> bool:
    """Whether an upgrade replaces the machines of all its nodegroups; `images` has those whose machines it replaces."""
    return nodegroup_ids is not None and set(nodegroup_ids) <= set(images)


def _target(engine: Engine, cluster: ClusterSpec, labels: Mapping[str, str]) -> UpgradeTarget:
    return UpgradeTarget(labels=dict(labels), version=engine.version(replace(cluster, labels=labels)))


def followed_labels(
    engine: Engine, cluster: ClusterSpec, target: Mapping[str, str], nodegroup: Mapping[str, str]
) -> dict[str, str]:
    """The labels of a nodegroup after it was upgraded: its own ones, as the engine changes them.

    Args:
        cluster: as it is before.
        target: the cluster's labels afterwards.
    """
    whole = replace(cluster, labels={**target, **nodegroup})
    after = engine.upgraded_labels(whole, target)
    return {name: value for name, value in after.items() if name in nodegroup or cluster.labels.get(name) != value}


def kept_labels(
    engine: Engine, cluster: ClusterSpec, target: Mapping[str, str], nodegroup: Mapping[str, str]
) -> dict[str, str]:
    """The labels of a nodegroup that does not follow: what it had by its cluster's becomes its own. Arguments as above.

    What the upgrade changes is what another one back to the labels before would change.
    """
    back = engine.upgraded_labels(replace(cluster, labels=target), cluster.labels)
    return {**{name: value for name, value in back.items() if target.get(name) != value}, **nodegroup}
