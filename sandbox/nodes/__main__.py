"""Simulates the nodes of a real OpenStack with fake hypervisors: `python -m sandbox.nodes`.

Rule: OS_* variables select the cloud, as for all OpenStack clients. The user must be an administrator, because only
administrators can read user data.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

import structlog

from sandbox.nodes.agent import NodeTimes
from sandbox.nodes.fleet import Fleet, WellBehaved
from sandbox.nodes.impersonate import impersonate
from sandbox.nodes.memory import NodeMemory
from sandbox.nodes.nova import Nova


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.nodes", description=__doc__)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two polls of Nova")
    parser.add_argument("--heartbeat", type=float, default=60.0, help="seconds between a node's heartbeats")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the durations of nodes")
    parser.add_argument("--data-dir", type=Path, help="directory for the nodes' credentials")
    given = parser.parse_args()
    times = NodeTimes(heartbeat=given.heartbeat, scale=given.scale)
    try:
        nova = Nova()
    except KeyError as missing:
        parser.error(f"{missing.args[0]} is not set")
    asyncio.run(_run(nova, Fleet(NodeMemory(given.data_dir), WellBehaved(), times), given.every))


async def _run(nova: Nova, fleet: Fleet, every: float) -> None:
    log = structlog.get_logger("sandbox.nodes")
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    work = asyncio.create_task(impersonate(nova, fleet, every))
    log.info("nodes of a real cloud are impersonated")
    await ended.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await fleet.close()
    await nova.close()
    log.info("nodes ended")


if __name__ == "__main__":
    main()
