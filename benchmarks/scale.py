"""Measures how long clusters of different sizes take on the simulated cloud, with any engine.

The sizes are those of the table that CERN showed for Magnum: 50 clusters of 2 nodes to one of 1000, created at once. A
cluster has one master; the others are workers. Machines are simulated and take no time to boot or to pull images, so
the figures are those of Jeroboam, its database and the simulated cloud on one machine, not those of a real cloud.
"""

from __future__ import annotations

import asyncio
import time

from benchmarks.api import NO_LIMIT
from benchmarks.client import User, user_of
from benchmarks.measure import Figure
from cli.demo_engines import ENGINES
from sandbox.run import running_sandbox

# Nodes of a cluster, and how many clusters are created at once.
SIZES = ((2, 50), (16, 10), (32, 10), (128, 5), (512, 1), (1000, 1))
LONGEST_SECONDS = 3600


async def run(*, engine: str = "kubernetes", most: int = 1000, clusters: int = 50) -> list[Figure]:
    """Create the clusters of each size, and delete them before the next.

    Args:
        engine: what the clusters run: one of those of `jeroboam demo`.
        most: leave out sizes with more nodes than this in all clusters together.
        clusters: create at most so many clusters of a size.

    Raises:
        ValueError: the engine is not known.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine: {engine!r} is none of {', '.join(ENGINES)}")
    chosen = ENGINES[engine]
    figures: list[Figure] = []
    async with (
        running_sandbox(extra_environment=NO_LIMIT, beta_drivers=chosen.beta) as sandbox,
        user_of(sandbox) as user,
    ):
        template = await user.make_template(chosen.template(engine) | {"master_lb_enabled": False})
        for nodes, usual in SIZES:
            count = min(usual, clusters)
            if nodes * count <= most:
                figures += await _size(user, template, nodes, count)
    return figures


async def _size(user: User, template: str, nodes: int, clusters: int) -> list[Figure]:
    began = time.monotonic()
    names = [f"n{nodes}c{number}" for number in range(clusters)]
    made = await asyncio.gather(*(user.create(template, name, nodes=nodes - 1) for name in names))
    await user.wait_complete(clusters, seconds=LONGEST_SECONDS)
    created = time.monotonic() - began
    began = time.monotonic()
    await asyncio.gather(*(user.delete(cluster) for cluster in made))
    await user.wait_gone(seconds=LONGEST_SECONDS)
    name = f"{nodes} nodes x {clusters} clusters"
    return [
        Figure(f"{name}: all CREATE_COMPLETE", created, "s"),
        Figure(f"{name}: all deleted", time.monotonic() - began, "s"),
    ]
