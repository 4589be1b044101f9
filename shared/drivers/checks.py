"""Whether a cluster can be as asked, and what it takes from quotas: the engine, the hardware and the stacks together.

Rule: everything wrong is reported at once, each problem once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jeroboam.driver import ClusterSpec, Engine, Hardware, NodegroupSpec
from jeroboam.driver.labels import unique
from shared.drivers.registry import get_hardware
from shared.stacks import problems as stack_problems
from shared.stacks import quotas


def problems(engine: Engine, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
    """Everything wrong with the labels and the shape asked for, in sentences for the user; empty when fine."""
    return unique(
        [
            *stack_problems.problems(cluster, nodegroups),
            *engine.problems(cluster, nodegroups),
            *(text for group in nodegroups for text in _hardware(group).problems(cluster, group)),
        ]
    )


def needs(engine: Engine, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Mapping[str, int]:
    """What a cluster without problems takes from quotas besides one instance and one port a node, by quota name."""
    return quotas.needs(engine, cluster, nodegroups, _hardware)


def _hardware(group: NodegroupSpec) -> Hardware:
    return get_hardware(group.hardware)
