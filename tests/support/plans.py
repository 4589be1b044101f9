"""A plan of scripted steps, to put the runner through everything a step may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Operation
from shared.domain.states import OperationKind
from shared.operations.plan import Done, OperationView, Step, Wait
from shared.operations.step_keys import StepKey
from shared.operations.stored import Stored

Behaviour = Done | Wait | BaseException | Callable[[], Any]


class Anything(Stored):
    """What a scripted step records: whatever the test says."""

    model_config = ConfigDict(frozen=True, extra="allow")


def key(name: str) -> StepKey[Anything]:
    """A scripted step's key."""
    return StepKey(name, Anything)


class ScriptedPlan:
    """Each step has a list of behaviours, one a run; the last one repeats.

    Args:
        script: step name -> behaviours.
    """

    def __init__(self, script: dict[str, list[Behaviour]], *, kind: OperationKind = OperationKind.CREATE) -> None:
        self.kind = kind
        self.runs: list[str] = []
        self.views: list[OperationView] = []
        self._script = script
        self.steps = tuple(Step(name, self._step(name)) for name in script)

    def _step(self, name: str) -> Any:
        async def run(view: OperationView) -> Done | Wait:
            self.runs.append(name)
            self.views.append(view)
            behaviours = self._script[name]
            behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
            if isinstance(behaviour, BaseException):
                raise behaviour
            if isinstance(behaviour, Done | Wait):
                return behaviour
            result: Done | Wait = await behaviour()
            return result

        return run

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> None: ...

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return {}
