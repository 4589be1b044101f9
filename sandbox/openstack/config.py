"""What can be chosen about a simulated cloud.

Rule: the defaults give a cloud that a 100-node cluster fits into and that answers in seconds; a test that needs
another one says so here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sandbox.nodes.agent import NodeTimes

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long things take, in seconds, from and to; each time is drawn from the seeded randomness."""

    resource: Bounds = (0.005, 0.03)
    server: Bounds = (0.2, 0.8)
    server_delete: Bounds = (0.02, 0.1)
    volume: Bounds = (0.05, 0.2)
    load_balancer: Bounds = (0.3, 0.8)


@dataclass(frozen=True, slots=True)
class CloudConfig:
    """Settings of one simulated cloud.

    Args:
        region: the only region's name.
        container_infra_url: where the catalogue says Jeroboam is.
        token_seconds: life of a token.
        token_cache_seconds: how long services other than Keystone believe in a token that was validated for one of
            them, as where they share keystonemiddleware's cache (300); 0 asks each time.
        seed: of latencies and fault probabilities.
        scale: factor on all latencies.
        parallelism: resources of one stack that are worked on at the same time.
        data_dir: where state is kept; None keeps it in memory.
        faults_file: a fault script read at the start, JSON or YAML.
        agents: whether ACTIVE servers run a simulated node agent.
        nodes: the times of those agents; `scale` is put on them too.
    """

    region: str = "RegionOne"
    container_infra_url: str = "http://127.0.0.1:9511/v1"
    token_seconds: int = 3600
    token_cache_seconds: float = 0
    seed: int = 1
    scale: float = 1.0
    parallelism: int = 25
    data_dir: Path | None = None
    faults_file: Path | None = None
    agents: bool = True
    latencies: Latencies = field(default_factory=Latencies)
    nodes: NodeTimes = field(default_factory=NodeTimes)
