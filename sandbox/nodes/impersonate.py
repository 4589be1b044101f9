"""Simulated nodes for a real Nova with the fake hypervisor.

Rule: what the servers of a cluster would do is read from their own user data, as an administrator; a server whose
deletion Nova tells of has its node ended within one poll.
"""

from __future__ import annotations

import asyncio

import httpx
import structlog

from sandbox.nodes.fleet import Fleet
from sandbox.nodes.nova import Nova

log = structlog.get_logger(__name__)


async def impersonate(nova: Nova, fleet: Fleet, every: float) -> None:
    """Keep the fleet equal to Nova's servers until cancelled.

    Args:
        nova: an administrator's view of the cloud.
        fleet: runs the nodes.
        every: seconds between two looks.
    """
    while True:
        try:
            seen = await nova.machines()
        except httpx.HTTPError as error:
            # Nodes outlive a moment's trouble with Nova: it is asked again.
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
