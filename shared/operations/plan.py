"""What a plan is made of.

Rule: a step is an idempotent `ensure_*`: it looks before it makes, can be run again after a crash at any point, and
returns `Done` or `Wait`. It raises TemporaryError or PermanentError; the runner decides what follows. A step never
sleeps and never opens a transaction across a network call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Operation
from shared.domain.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Done:
    """The step holds. `output` is recorded and handed to later steps."""

    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet. Look again after `delay` seconds, or earlier when an event about the cluster comes.

    `done` and `total` are the progress to show.
    """

    reason: str
    delay: float
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class OperationView:
    """The operation as a step may see it: values, not a live row."""

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

    @property
    def run_tag(self) -> str:
        """Names this run (operation, retry and revision) on the stacks it drove, so that a stack that failed in an
        earlier run is driven again and one that failed in this run is not."""
        return f"jeroboam-run-{self.uuid}-{self.retries}-{self.revision}"

    def output(self, step: str) -> Mapping[str, Any]:
        """What an earlier step recorded; empty if it recorded nothing."""
        return self.outputs.get(step, {})


StepFunction = Callable[[OperationView], Awaitable[Done | Wait]]


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    run: StepFunction
    policy: RetryPolicy = RetryPolicy()


class Plan(Protocol):
    """The ordered steps of one operation kind, and what its end means for the cluster."""

    kind: str
    steps: tuple[Step, ...]
    removes_cluster: bool  # a delete: its good end takes the cluster's row away

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> None:
        """In the transaction that ends it well, statuses set: record what only this kind knows."""
        ...

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        """In the transaction that ends it badly, statuses set.

        Returns the faults: node or nodegroup name -> its own reason.
        """
        ...
