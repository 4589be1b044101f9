"""The health of a cluster, from what is known of its nodes.

Rule: what is stale is unknown, never healthy. The statuses are Magnum's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from jeroboam.driver.values import NodeSpec


class HealthStatus(StrEnum):
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """What is known of one node of a cluster.

    Args:
        fresh: the node's agent has reported within three heartbeats; otherwise `healthy` and `states` are void.
        healthy: the result of the node's own check; None before its first one.
        problem: why the node is not part of the cluster, whatever it reports: lost, failed, its server is stopped.
        states: what the program `/etc/jeroboam/states` printed on this node: names and values of the engine.
    """

    node: NodeSpec
    fresh: bool
    healthy: bool | None = None
    problem: str | None = None
    states: Mapping[str, str] = field(default_factory=dict)

    @property
    def works(self) -> bool | None:
        """Whether the node is healthy by itself; None if that is not known."""
        if self.problem is not None:
            return False
        return self.healthy is not False if self.fresh else None


@dataclass(frozen=True, slots=True)
class ClusterHealth:
    """`reasons` says for each part of a cluster (its API, each node) how it is, in the words of the engine."""

    status: HealthStatus
    reasons: Mapping[str, str]


def overall(parts: Sequence[bool | None]) -> HealthStatus:
    """UNHEALTHY if a part is known not to work, UNKNOWN if one is not known or there is none, otherwise HEALTHY."""
    if any(part is False for part in parts):
        return HealthStatus.UNHEALTHY
    return HealthStatus.HEALTHY if parts and all(parts) else HealthStatus.UNKNOWN
