"""SIGKILL at named moments, one after another, in whatever process takes over."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence

import asyncpg

from sandbox.run import Sandbox
from shared.steps.step_plan import StepPlan


def points(plan: type[StepPlan], between: Mapping[str, Sequence[str]]) -> list[str]:
    """Every step's two moments, and the named moments inside some steps, in the order they are reached."""
    found = []
    for key, _ in plan.functions:
        found += [f"{plan.kind}.{key.name}.before", *between.get(key.name, []), f"{plan.kind}.{key.name}.after"]
    return found


async def die_at_each(sandbox: Sandbox, service: str, moments: Sequence[str]) -> None:
    """Start the service armed for each moment in turn, each time waiting for its death; then once unarmed.

    The lease that a dead process leaves behind is made to run out at once, while no process of the service lives.
    """
    child = sandbox.children[service]
    for moment in moments:
        child.arm({"JEROBOAM_CRASH_AT": moment})
        child.start()
        try:
            assert await child.wait(90) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            raise AssertionError(f"nothing died at {moment}: {child.log_tail()}") from None
        await _leases_run_out(sandbox)
    child.start()


async def _leases_run_out(sandbox: Sandbox) -> None:
    connection = await asyncpg.connect(sandbox.database_url)
    await connection.execute("UPDATE operations SET lease_until = now() WHERE lease_until > now()")
    await connection.close()
