"""Settings of a simulated cloud.

Rule: the defaults give a cloud with capacity for a 100-node cluster and latencies of seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sandbox.nodes.agent import NodeTimes

SIMULATED = "simulated"
NETNS = "netns"
Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Latencies:
    """Durations as ranges in seconds; values are drawn from the seeded random generator."""

    resource: Bounds = (0.005, 0.03)
    server: Bounds = (0.2, 0.8)
    deploy: Bounds = (0.8, 2.0)
    cleaning: Bounds = (0.5, 1.5)
    server_delete: Bounds = (0.02, 0.1)
    volume: Bounds = (0.05, 0.2)
    load_balancer: Bounds = (0.3, 0.8)


@dataclass(frozen=True, slots=True)
class CloudConfig:
    """Settings of one simulated cloud.

    Args:
        region: the only region's name.
        container_infra_url: URL of Jeroboam in the catalogue.
        token_seconds: lifetime of a token.
        token_cache_seconds: how long services other than Keystone cache a validated token, as with a shared cache of
            keystonemiddleware (300); 0 disables the cache.
        seed: seed for latencies and fault probabilities.
        scale: factor for all latencies.
        parallelism: resources of one stack processed in parallel.
        data_dir: directory of the state; None keeps it in memory.
        faults_file: a fault script read at the start, JSON or YAML.
        notification_url: RabbitMQ to which the services send their notifications; None: they send none.
        bare_metal: machines of each class of Ironic.
        agents: whether ACTIVE servers run a simulated node agent.
        hypervisor: what runs servers: SIMULATED agents, or NETNS for machines that share this kernel.
        machines_layer: files that all of these machines have.
        machines_directory: where NETNS keeps the machines' files.
        nodes: durations of these agents, which `scale` also applies to.
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
    notification_url: str | None = None
    bare_metal: int = 9
    agents: bool = True
    hypervisor: str = SIMULATED
    machines_layer: Path | None = None
    machines_directory: Path = Path("machines")
    latencies: Latencies = field(default_factory=Latencies)
    nodes: NodeTimes = field(default_factory=NodeTimes)
