"""`python -m services.provisioner`: create and delete clusters."""

from __future__ import annotations

import asyncio

from services.provisioner.plan import PLANS
from shared.bus import topology
from shared.domain.kinds import Service
from shared.runtime.worker import run_worker

if __name__ == "__main__":
    asyncio.run(run_worker(Service.PROVISIONER, topology.PROVISIONER, PLANS))
