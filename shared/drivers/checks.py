"""Combines the checks of the engine, the hardware and the stacks, and computes the required quotas.

Rule: all problems are reported at once, without duplicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jeroboam.driver import ClusterSpec, Engine, Hardware, NodegroupSpec
from jeroboam.driver.labels import unique
from shared.drivers.registry import get_hardware
from shared.stacks import problems as stack_problems
from shared.stacks import quotas


def problems(engine: Engine, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
    """All problems with the requested labels and sizes, as sentences for the user."""
    found = [*stack_problems.problems(cluster, nodegroups), *engine.problems(cluster, nodegroups)]
    # The volumes of an engine cannot be computed from invalid labels.
    volumes = [] if found else [text for group in nodegroups for text in _volume_problems(engine, cluster, group)]
    hardware = [text for group in nodegroups for text in _hardware_problems(cluster, group)]
    return unique([*found, *hardware, *volumes])


def needs(engine: Engine, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Mapping[str, int]:
    """Quota name -> what a valid cluster needs, except one instance and one port per node."""
    return quotas.needs(engine, cluster, nodegroups, _hardware)


def _hardware_problems(cluster: ClusterSpec, group: NodegroupSpec) -> list[str]:
    hardware = _hardware(group)
    found = hardware.problems(cluster, group)
    if getattr(hardware, "existing_network", False) and cluster.fixed_network_id is None:
        found = [
            f"fixed_network: nodegroup {group.name} is {hardware.name}, whose machines cannot be connected to a "
            "network that is created for the cluster; name an existing one",
            *found,
        ]
    return found


def _volume_problems(engine: Engine, cluster: ClusterSpec, group: NodegroupSpec) -> list[str]:
    wanted = engine.infrastructure(cluster, [group]).volumes.get(group.role, ())
    if not _hardware(group).volumes:
        return [
            f"label {each.label}: no volumes can be attached to the {group.hardware} machines of nodegroup "
            f"{group.name}; leave it out, or set it to 0 for this nodegroup"
            for each in wanted
        ]
    return [
        f"label {each.label}: {each.size} is also the docker_volume_size of nodegroup {group.name}; choose another "
        "size, because machines tell their volumes apart by it"
        for each in wanted
        if each.size == group.docker_volume_size
    ]


def _hardware(group: NodegroupSpec) -> Hardware:
    return get_hardware(group.hardware)
