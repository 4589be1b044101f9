"""`python -m services.upgrader`: upgrades clusters, and rotates their authorities and credentials."""

from __future__ import annotations

import asyncio

from services.upgrader.plan import PLANS
from shared.bus import topology
from shared.domain.kinds import Service
from shared.runtime.worker import run_worker

if __name__ == "__main__":
    asyncio.run(run_worker(Service.UPGRADER, topology.UPGRADER, PLANS))
