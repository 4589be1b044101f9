"""`python -m services.upgrader`: upgrade clusters and rotate what they carry."""

from __future__ import annotations

import asyncio

from services.upgrader.plan import RotateCaPlan, RotateCredentialsPlan, UpgradePlan
from shared.bus import topology
from shared.operations.plan import Plan
from shared.runtime.worker import run_worker
from shared.steps.context import StepContext


def plans(context: StepContext) -> list[Plan]:
    return [UpgradePlan(context), RotateCaPlan(context), RotateCredentialsPlan(context)]


if __name__ == "__main__":
    asyncio.run(run_worker("upgrader", topology.UPGRADER, plans))
