"""Labels of a cluster that can be changed after it was created.

Rule: a label that is read only when a machine is created applies to later machines, and an unknown label has no effect,
so both can be changed; so can the algorithm of keys, which the next
rotation reads. Changes of all other labels are rejected, because they would not be applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jeroboam.driver import ClusterSpec
from jeroboam.driver.labels import MACHINE_LABELS
from shared.drivers.hosts.labels import HOST_LABELS
from shared.drivers.keys import KEY_ALGORITHM
from shared.drivers.kubernetes.labels import MIRRORS, POD_NETWORK_LABELS, Labels, label_problems

_OF_NEW_MACHINES = MACHINE_LABELS | {"containerd_version", KEY_ALGORITHM, *MIRRORS, *HOST_LABELS}


def problems(cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
    """Why the cluster's labels cannot be changed to `labels`; each problem names its label."""
    found = Labels.fixed_changes(
        cluster.labels, labels, version="kube_tag", free=_OF_NEW_MACHINES, known=POD_NETWORK_LABELS
    )
    return found or label_problems(replace(cluster, labels=labels))
