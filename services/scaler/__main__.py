"""`python -m services.scaler`: adds and removes nodes; creates, changes and deletes nodegroups."""

from __future__ import annotations

import asyncio

from services.scaler.plan import PLANS
from shared.bus import topology
from shared.domain.kinds import Service
from shared.runtime.worker import run_worker

if __name__ == "__main__":
    asyncio.run(run_worker(Service.SCALER, topology.SCALER, PLANS))
