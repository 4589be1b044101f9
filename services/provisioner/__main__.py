"""`python -m services.provisioner`: create and delete clusters."""

from __future__ import annotations

import asyncio

from services.provisioner.plan import CreatePlan, DeletePlan
from shared.bus import topology
from shared.runtime.worker import run_worker

if __name__ == "__main__":
    asyncio.run(
        run_worker("provisioner", topology.PROVISIONER, lambda context: [CreatePlan(context), DeletePlan(context)])
    )
