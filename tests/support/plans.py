"""A plan of scripted steps, to put the runner through everything a step may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Operation
from shared.domain.states import OperationKind
from shared.operations.plan import Done, OperationView, Step, Wait

Behaviour = Done | Wait | BaseException | Callable[[], Any]


class ScriptedPlan:
    """Each step has a list of behaviours, one a run; the last one repeats.

    Args:
        script: step name -> behaviours.
        removes: whether a good end removes the cluster.
    """

    def __init__(
        self, script: dict[str, list[Behaviour]], *, kind: OperationKind = OperationKind.CREATE, removes: bool = False
    ) -> None:
        self.kind = kind.value
        self.removes_cluster = removes
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
