"""Runs operations: claims those that are due, runs the steps of their plans, records their progress.

Rule: everything that must survive a crash is in Postgres before the next step starts; the runner's memory holds only
its present work. `shared.domain.retry.decide` determines what follows a failure.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.cloud.fence import fenced
from shared.db.away import is_away
from shared.db.engine import Database
from shared.db.models import Operation
from shared.domain.clock import Clock, utc_now
from shared.domain.errors import LostLease, TemporaryError
from shared.domain.kinds import OperationKind
from shared.domain.retry import GiveUp, RetryPolicy, decide
from shared.operations.leases import Claim, Leases
from shared.operations.plan import Done, OperationView, Plan, Step, Wait
from shared.operations.record import (
    cluster_of,
    load_view,
    record_completed,
    record_failed,
    record_overtaken,
    record_started,
    record_step_begun,
    record_step_done,
    record_wait,
)
from shared.operations.requests import end_cancelled
from shared.telemetry import crashpoints
from shared.telemetry.metrics import OPERATIONS_ACTIVE, STEP_ATTEMPTS
from shared.telemetry.spans import Span, span
from shared.telemetry.trace import in_trace

log = structlog.get_logger(__name__)


class _Overtaken(Exception):
    """A later request joined the operation, so the target that this run started with is obsolete."""


_POLICY = RetryPolicy()


class Runner:
    """Args:
    database: where operations are.
    plans: one per operation kind this service works on.
    lease_seconds: the length of a lease; it is renewed three times in that time.
    poll_seconds: longest time until due work is seen when no wake-up comes.
    concurrency: operations worked on at once.
    clock: the present.
    """

    def __init__(
        self,
        database: Database,
        plans: Sequence[Plan],
        *,
        lease_seconds: float = 60,
        poll_seconds: float = 2,
        concurrency: int = 32,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._plans = {plan.kind: plan for plan in plans}
        self._leases = Leases(database, list(self._plans), seconds=lease_seconds)
        self._poll_seconds = poll_seconds
        self._concurrency = concurrency
        self._clock = clock
        self._woken = asyncio.Event()
        self._active: dict[asyncio.Task[None], Claim] = {}

    def wake(self) -> None:
        """Look for due operations now. The call is cheap."""
        self._woken.set()

    async def run(self) -> None:
        """Run until cancelled. While the database is unavailable, work is delayed but not lost."""
        while True:
            self._woken.clear()
            pause = self._poll_seconds
            try:
                room = self._concurrency - len(self._active)
                for claim in await self._leases.claim(room) if room else []:
                    self._begin(claim)
                due = await self._leases.seconds_to_next()
                if due is not None and room:
                    pause = min(pause, max(0.02, due))
            except Exception as error:
                known = is_away(error)
                log.warning("runner.interrupted", error=str(error), exc_info=None if known else error)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def drain(self, grace: float) -> None:
        """After `run` was cancelled: let steps finish within `grace` seconds, then release the remaining operations."""
        if self._active:
            await asyncio.wait(self._active, timeout=grace)
        claims = [claim for task, claim in self._active.items() if not task.done()]
        for task in list(self._active):
            task.cancel()
        await asyncio.gather(*self._active, return_exceptions=True)
        try:
            await self._leases.release(claims)
        except Exception as error:
            # The leases expire.
            log.warning("runner.not_released", error=str(error), exc_info=None if is_away(error) else error)

    def _begin(self, claim: Claim) -> None:
        task = asyncio.create_task(self.execute(claim), name=f"operation {claim.operation_id}")
        self._active[task] = claim
        OPERATIONS_ACTIVE.set(len(self._active))
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._active.pop(task, None)
        OPERATIONS_ACTIVE.set(len(self._active))
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease expires; the next claim resumes at the recorded step.
            log.error("runner.operation_dropped", task=task.get_name(), exc_info=error)

    async def execute(self, claim: Claim) -> None:
        """Run the steps of one claimed operation until it waits or ends."""
        with fenced(claim.fence), in_trace(claim.trace):
            walk = asyncio.create_task(self._walk(claim))
        keeper = asyncio.create_task(self._keep_lease(claim))
        try:
            done, _ = await asyncio.wait({walk, keeper}, return_when=asyncio.FIRST_COMPLETED)
            if walk in done:
                await walk
            else:
                await keeper
        except LostLease:
            log.warning("runner.lease_lost", operation=claim.operation_id)
        finally:
            for task in (walk, keeper):
                task.cancel()
            await asyncio.gather(walk, keeper, return_exceptions=True)

    async def _keep_lease(self, claim: Claim) -> None:
        renewed = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(self._leases.seconds / 3)
            try:
                await self._leases.renew(claim)
                renewed = asyncio.get_running_loop().time()
            except LostLease:
                raise
            except Exception as error:
                if asyncio.get_running_loop().time() - renewed > self._leases.seconds * 0.9:
                    raise LostLease(claim.operation_id) from error

    @asynccontextmanager
    async def _writing(self, claim: Claim, view: OperationView) -> AsyncIterator[tuple[AsyncSession, Operation]]:
        """A fenced transaction that records results for `view`; raises _Overtaken if the target has changed since."""
        async with self._leases.fenced(claim) as (session, operation):
            if operation.revision != view.revision:
                raise _Overtaken
            yield session, operation

    async def _walk(self, claim: Claim) -> None:
        try:
            await self._walk_plan(claim)
        except _Overtaken:
            async with self._leases.fenced(claim) as (_, operation):
                record_overtaken(operation)
            log.info("operation.overtaken", operation=claim.operation_id)

    async def _walk_plan(self, claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(operation=claim.operation_id):
            async with self._leases.fenced(claim) as (session, operation):
                plan = self._plans[OperationKind(operation.kind)]
                await record_started(session, operation)
                view = await load_view(session, operation)
            for position, step in enumerate(plan.steps):
                if step.name in view.outputs:
                    continue
                if not await self._run_step(claim, plan, step, position, view):
                    return
                async with self._writing(claim, view) as (session, operation):
                    view = await load_view(session, operation)
            async with self._writing(claim, view) as (session, operation):
                await record_completed(session, operation, plan, self._clock())
            log.info("operation.completed", kind=plan.kind, cluster=view.cluster_id)

    async def _run_step(self, claim: Claim, plan: Plan, step: Step, position: int, view: OperationView) -> bool:
        """Run one step once, in a span of its own. Returns whether the next step follows."""
        about = {
            "jeroboam.kind": plan.kind.value,
            "jeroboam.step": step.name,
            "jeroboam.operation": claim.operation_id,
            "jeroboam.cluster": claim.cluster_id,
        }
        with span(f"{plan.kind} {step.name}", attributes=about) as found:
            return await self._run_step_once(claim, plan, step, position, view, found)

    async def _run_step_once(
        self, claim: Claim, plan: Plan, step: Step, position: int, view: OperationView, found: Span
    ) -> bool:
        async with self._writing(claim, view) as (session, operation):
            if operation.cancel_requested:
                await end_cancelled(session, await cluster_of(session, operation), operation)
                return False
            await record_step_begun(session, operation, step.name, position)
        await crashpoints.reached(f"{plan.kind}.{step.name}.before")
        try:
            result = await step.run(view)
        except (asyncio.CancelledError, LostLease):
            raise
        except Exception as failure:
            STEP_ATTEMPTS.labels(plan.kind, step.name, "error").inc()
            found.set("jeroboam.outcome", "error")
            found.fail(type(failure).__name__)
            await self._record_failure(claim, plan, step, view, failure)
            return False
        await crashpoints.reached(f"{plan.kind}.{step.name}.after")
        outcome = type(result).__name__.lower()
        STEP_ATTEMPTS.labels(plan.kind, step.name, outcome).inc()
        found.set("jeroboam.outcome", outcome)
        now = self._clock()
        async with self._writing(claim, view) as (session, operation):
            if isinstance(result, Done):
                await record_step_done(session, operation, step.name, position, result.output, now)
                return True
            if operation.cancel_requested:
                await end_cancelled(session, await cluster_of(session, operation), operation)
            elif _seconds_left(operation.deadline_at, now) <= 0:
                reason = f"deadline passed; {step.name} was waiting: {result.reason}"
                await record_failed(session, operation, plan, reason, now, late=True)
                log.error("operation.failed", kind=plan.kind, step=step.name, reason=reason)
            else:
                wait = Wait(
                    result.reason,
                    min(result.delay, _seconds_left(operation.deadline_at, now)),
                    result.done,
                    result.total,
                )
                operation.attempts = 0
                await record_wait(session, operation, wait, now)
        return False

    async def _record_failure(
        self, claim: Claim, plan: Plan, step: Step, view: OperationView, failure: Exception
    ) -> None:
        now = self._clock()
        async with self._writing(claim, view) as (session, operation):
            operation.attempts += 1
            left = None if operation.deadline_at is None else (operation.deadline_at - now).total_seconds()
            decision = decide(
                _POLICY,
                failure,
                attempts=operation.attempts,
                seconds_left=left,
                jitter=random.random(),  # noqa: S311
            )
            if operation.cancel_requested:
                await end_cancelled(session, await cluster_of(session, operation), operation)
            elif isinstance(decision, GiveUp):
                await record_failed(
                    session, operation, plan, decision.reason, now, late=_seconds_left(operation.deadline_at, now) <= 0
                )
                log.error("operation.failed", kind=plan.kind, step=step.name, reason=decision.reason)
            else:
                await record_wait(session, operation, Wait(str(failure), decision.delay), now)
                expected = isinstance(failure, TemporaryError)
                log.warning(
                    "step.retried",
                    kind=plan.kind,
                    step=step.name,
                    attempts=operation.attempts,
                    delay=round(decision.delay, 2),
                    error=str(failure),
                    exc_info=None if expected else failure,
                )


def _seconds_left(deadline: datetime | None, now: datetime) -> float:
    return float("inf") if deadline is None else (deadline - now).total_seconds()
