"""A plan made of functions of a context: the base of every service's plans.

Rule: a plan names its steps by their keys (`shared.operations.step_keys`), never by its functions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Operation
from shared.domain.kinds import OperationKind
from shared.operations.plan import Done, OperationView, Step, Wait
from shared.operations.step_keys import StepKey
from shared.steps.context import StepContext

StepOfContext = Callable[[StepContext, OperationView], Awaitable[Done | Wait]]
NamedStep = tuple[StepKey[Any], StepOfContext]


class StepPlan:
    """The plan of one kind, as far as plans are alike.

    A kind gives `kind` and `functions`, and `completed` or `failed` where its end means more than its statuses.

    Args:
        context: what its steps are given.
    """

    kind: ClassVar[OperationKind]
    functions: ClassVar[Sequence[NamedStep]]

    def __init__(self, context: StepContext) -> None:
        self.steps: tuple[Step, ...] = tuple(_bound(context, key, function) for key, function in self.functions)

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> str | None:
        """Nothing is left to write: the steps and the statuses say it."""
        return None

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        """No faults beside the operation's own reason."""
        return {}


def _bound(context: StepContext, key: StepKey[Any], function: StepOfContext) -> Step:
    async def run(operation: OperationView) -> Done | Wait:
        result = await function(context, operation)
        assert isinstance(result, Wait) or type(result.output) is key.output, f"{key.name} records something else"
        return result

    return Step(key.name, run)
