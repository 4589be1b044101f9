"""Labels that may change while a cluster lives.

Rule: a label that is only read when a machine is made changes what later machines get; one we do not know changes
nothing. Everything else is built into what runs, so changing the text alone would make it a lie, and it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jeroboam.driver import ClusterSpec
from jeroboam.driver.labels import MACHINE_LABELS
from shared.drivers.kubernetes.labels import POD_NETWORK_LABELS, Labels, label_problems

_OF_NEW_MACHINES = MACHINE_LABELS | {"kubernetes_apt_mirror"}
_KNOWN = Labels.names() | {*POD_NETWORK_LABELS}


def problems(cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
    """Why the cluster's labels cannot become `labels`, each problem naming its label."""
    old = cluster.labels
    changed = sorted(name for name in {*old, *labels} if old.get(name) != labels.get(name))
    found = [f"label {name}: {_why(name)}" for name in changed if name in _KNOWN and name not in _OF_NEW_MACHINES]
    return found or label_problems(replace(cluster, labels=labels))


def _why(name: str) -> str:
    if name == "kube_tag":
        return "the version changes by an upgrade (actions/upgrade)."
    return "it cannot change after the cluster was created."
