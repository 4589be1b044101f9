"""`python -m services.scaler`: more and fewer nodes, nodegroups made, changed and deleted."""

from __future__ import annotations

import asyncio

from services.scaler.plan import NodegroupCreatePlan, NodegroupDeletePlan, NodegroupUpdatePlan, ResizePlan
from shared.bus import topology
from shared.operations.plan import Plan
from shared.runtime.worker import run_worker
from shared.steps.context import StepContext


def _plans(context: StepContext) -> list[Plan]:
    return [plan(context) for plan in (ResizePlan, NodegroupCreatePlan, NodegroupUpdatePlan, NodegroupDeletePlan)]


if __name__ == "__main__":
    asyncio.run(run_worker("scaler", topology.SCALER, _plans))
