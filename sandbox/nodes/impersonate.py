"""Simulated nodes for a real Nova with the fake hypervisor.

Rule: the settings of the nodes are read from their servers' user data, as an administrator. When a server is deleted,
its node ends within one poll.
"""

from __future__ import annotations

import asyncio

import httpx
import structlog

from sandbox.nodes.fleet import Fleet
from sandbox.nodes.nova import Nova

log = structlog.get_logger(__name__)


async def impersonate(nova: Nova, fleet: Fleet, every: float) -> None:
    """Synchronize the fleet with Nova's servers until cancelled.

    Args:
        nova: an administrator's view of the cloud.
        fleet: runs the nodes.
        every: seconds between two polls.
    """
    while True:
        try:
            seen = await nova.machines()
        except httpx.HTTPError as error:
            # Nodes keep running during errors of Nova; the call is retried.
            log.warning("could not list servers", error=repr(error))
        else:
            for machine_id in fleet.machine_ids - seen.keys():
                fleet.stop(machine_id, gone=True)
            for machine_id, machine in seen.items():
                if machine is not None:
                    fleet.start(machine)
                elif machine_id in fleet:
                    fleet.stop(machine_id, gone=False)
        await asyncio.sleep(every)
