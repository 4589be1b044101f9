"""Every step of every plan is killed before and after its work by a test; a new plan or step cannot be forgotten."""

from __future__ import annotations

import pytest

from services.provisioner import plan as provisioner
from services.scaler import plan as scaler
from services.upgrader import plan as upgrader
from shared.steps.step_plan import StepPlan
from tests.fault import test_kill_provisioner, test_kill_scaler, test_kill_upgrader

PLANS = (*provisioner.PLANS, *scaler.PLANS, *upgrader.PLANS)
KILLED: dict[type[StepPlan], list[str]] = {
    **test_kill_provisioner.KILLED,
    **test_kill_scaler.KILLED,
    **test_kill_upgrader.KILLED,
}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: str(plan.kind))
def test_the_matrix_has_no_empty_cell(plan: type[StepPlan]) -> None:
    steps = [key.name for key, _ in plan.functions]
    wanted = {f"{plan.kind}.{step}.{moment}" for step in steps for moment in ("before", "after")}
    assert wanted <= set(KILLED[plan])
