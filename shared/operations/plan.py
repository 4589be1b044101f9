"""The elements of a plan.

Rule: a step checks what exists before it creates anything, can be run again after a crash at any point, and returns
`Done` or `Wait`. It raises TemporaryError or PermanentError; the runner decides what follows. A step never sleeps and
never opens a transaction across a network call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Operation
from shared.domain.kinds import OperationKind
from shared.operations.outputs import NO_OUTPUT
from shared.operations.step_keys import Output, StepKey
from shared.operations.stored import Stored

ParamsOfKind = TypeVar("ParamsOfKind", bound=Stored)


@dataclass(frozen=True, slots=True)
class Done:
    """The step is finished. `output` is recorded, and later steps may read it."""

    output: Stored = NO_OUTPUT


@dataclass(frozen=True, slots=True)
class Wait:
    """Not finished. Run the step again after `delay` seconds, or earlier when an event about the cluster arrives.

    `done` and `total` are the progress to show.
    """

    reason: str
    delay: float
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class OperationView:
    """The operation as a step sees it: values, not a live row.

    `params` and `outputs` (by step name) are as stored; steps read them with `read_params` and `output`.
    """

    uuid: str
    kind: str
    cluster_id: str
    cluster_name: str
    project_id: str
    user_id: str
    params: Mapping[str, Any]
    created_at: datetime
    deadline_at: datetime | None
    retries: int
    revision: int
    nodegroup_ids: tuple[str, ...] | None  # the nodegroups concerned; None: all
    outputs: Mapping[str, Mapping[str, Any]]
    round: str = ""  # of a step that changes the same stacks several times: at most 16 characters

    @property
    def run_tag(self) -> str:
        """Identifies this run (operation, retry, revision, and a step's round) on the stacks it updated, so that a
        stack that failed in an earlier run is updated again and one that failed in this run is not."""
        return "-".join(["jeroboam-run", self.uuid, str(self.retries), str(self.revision), *filter(None, [self.round])])

    def read_params(self, model: type[ParamsOfKind]) -> ParamsOfKind:
        """The params, by the model of the operation's kind (shared.operations.params)."""
        return model.load(self.params)

    def output(self, step: StepKey[Output]) -> Output:
        """What an earlier step recorded.

        Raises:
            pydantic.ValidationError: it recorded nothing, and its model has no defaults.
        """
        return step.output.load(self.outputs.get(step.name, {}))


StepFunction = Callable[[OperationView], Awaitable[Done | Wait]]


@dataclass(frozen=True, slots=True)
class Step:
    """`name` is one of shared.operations.step_keys."""

    name: str
    run: StepFunction


class Plan(Protocol):
    """The ordered steps of one operation kind, and what is recorded when it ends."""

    @property
    def kind(self) -> OperationKind: ...

    @property
    def steps(self) -> tuple[Step, ...]: ...

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> str | None:
        """Called in the transaction of a successful end, after the statuses are set; records what is the kind's own.

        Returns what could not be done although the operation succeeded; it becomes the reason of the statuses.
        """
        ...

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        """Called in the transaction of a failure, after the statuses are set.

        Returns the faults: node or nodegroup name -> its own reason.
        """
        ...
