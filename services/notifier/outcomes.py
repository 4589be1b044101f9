"""Writes outcomes of attempts, in batches.

Rule: one transaction writes the attempts, the states of the deliveries, what is known about the receivers, and the
events about it, of all webhooks whose lease this process still holds. Webhooks are locked first, in the order of their
UUIDs. What is known about a receiver is not written if a user changed the webhook in the meantime.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from services.notifier.claims import Claimed
from services.notifier.health import Health
from services.notifier.sender import Attempt
from shared.db.engine import Database
from shared.events.catalog import EventData
from shared.events.log import emit
from shared.telemetry import crashpoints
from shared.telemetry.metrics import LEASES_LOST

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 20  # that are kept of one delivery
_COLLECT_SECONDS = 0.005

_LOCK = text("""
SELECT uuid, revision FROM webhooks WHERE uuid = ANY(:webhooks) AND lease_token = :token
ORDER BY uuid FOR NO KEY UPDATE
""")
_DELIVERIES = text("""
UPDATE webhook_deliveries d SET state = o.state, tries = o.tries, attempts = o.attempts, last_status = o.status,
    last_error = o.error, due_at = coalesce(to_timestamp(o.due), d.due_at),
    finished_at = CASE WHEN o.state = 'pending' THEN NULL ELSE now() END
FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:tries AS int[]), CAST(:attempts AS int[]),
            CAST(:statuses AS int[]), CAST(:errors AS text[]), CAST(:dues AS float8[]))
     AS o(id, state, tries, attempts, status, error, due)
WHERE d.id = o.id
""")
_ATTEMPTS = text("""
INSERT INTO webhook_attempts (delivery_id, number, started_at, duration_ms, status, error, request_headers,
    response_headers, response_body)
SELECT o.id, o.number, to_timestamp(o.started), o.ms, o.status, o.error, CAST(o.sent AS jsonb),
    CAST(o.received AS jsonb), o.body
FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[]), CAST(:started AS float8[]), CAST(:ms AS int[]),
            CAST(:statuses AS int[]), CAST(:errors AS text[]), CAST(:sent AS text[]), CAST(:received AS text[]),
            CAST(:bodies AS text[])) AS o(id, number, started, ms, status, error, sent, received, body)
JOIN webhook_deliveries d ON d.id = o.id
""")
_FORGET = text(f"""
DELETE FROM webhook_attempts a USING unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[])) AS o(id, number)
WHERE a.delivery_id = o.id AND a.number <= o.number - {MOST_ATTEMPTS}
""")  # noqa: S608 - a constant
_HEALTH = text("""
UPDATE webhooks SET failures = :failures, failing_since = :failing_since, last_error = :last_error,
    troubled = :troubled, recovered_at = :recovered_at, held_until = :held_until,
    last_success_at = coalesce(:succeeded_at, last_success_at),
    enabled = enabled AND CAST(:disabled AS text) IS NULL, disabled_reason = coalesce(:disabled, disabled_reason)
WHERE uuid = :uuid
""")
# The delivery that is due next; of an ordered webhook, only the first one of each cluster counts. Without any, the
# receiver has caught up.
_RELEASE = text("""
UPDATE webhooks w SET lease_token = NULL, lease_until = NULL, next_due = (
    SELECT greatest(min(head.due_at), w.held_until) FROM (
        SELECT DISTINCT ON (CASE WHEN w.ordered THEN coalesce(d.cluster_id, d.id::text) ELSE d.id::text END) d.due_at
        FROM webhook_deliveries d WHERE d.webhook_id = w.uuid AND d.state = 'pending'
        ORDER BY CASE WHEN w.ordered THEN coalesce(d.cluster_id, d.id::text) ELSE d.id::text END, d.id
    ) head HAVING count(*) > 0),
    recovered_at = CASE WHEN EXISTS (
        SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = w.uuid AND d.state = 'pending') THEN w.recovered_at END
WHERE w.uuid = ANY(:webhooks)
""")


@dataclass(slots=True)
class Outcome:
    """The result of one attempt.

    Args:
        state: of the delivery, after it; `due`: time of the next attempt, if it is pending.
        health: of the receiver, after it.
        disabled: why the webhook is disabled by this attempt.
        events: names and data of events about the webhook.
    """

    webhook: Claimed
    delivery_id: int
    attempt: Attempt
    state: str
    tries: int
    attempts: int
    due: float | None
    health: Health
    disabled: str | None = None
    events: Sequence[tuple[str, EventData]] = ()


@dataclass(slots=True)
class _Batch:
    outcomes: list[Outcome] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)


class Outcomes:
    """Args:
    database: contains the deliveries.
    token: of this process's leases.
    """

    def __init__(self, database: Database, token: str) -> None:
        self._database = database
        self._token = token
        self._batch = _Batch()
        self._filled = asyncio.Event()

    def add(self, outcome: Outcome) -> None:
        self._batch.outcomes.append(outcome)
        self._filled.set()

    async def written(self) -> None:
        """Wait until everything that was added is in the database."""
        waiter = asyncio.get_running_loop().create_future()
        self._batch.waiters.append(waiter)
        self._filled.set()
        await waiter

    async def release(self, webhook: str) -> None:
        """Give a lease back, and set when the webhook is due again."""
        self._batch.released.append(webhook)
        await self.written()

    async def run(self) -> None:
        """Write until cancelled. If the database is not available, the batch is written later."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(_COLLECT_SECONDS)
            self._filled.clear()
            batch, self._batch = self._batch, _Batch()
            await crashpoints.reached("notifier.sent")
            await self._written_at_last(batch)
            await crashpoints.reached("notifier.recorded")
            for waiter in batch.waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def _written_at_last(self, batch: _Batch) -> None:
        pause = 0.1
        while True:
            try:
                async with self._database.transaction() as session:
                    await self._write(session, batch)
                return
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("outcomes.delayed", error=str(error).splitlines()[0] if str(error) else repr(error))
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)

    async def _write(self, session: AsyncSession, batch: _Batch) -> None:
        webhooks = {each.webhook.uuid for each in batch.outcomes}.union(batch.released)
        if not webhooks:
            return
        found = await session.execute(_LOCK, {"webhooks": list(webhooks), "token": self._token})
        held: dict[str, int] = {row.uuid: row.revision for row in found}
        outcomes = [each for each in batch.outcomes if each.webhook.uuid in held]
        if lost := len(batch.outcomes) - len(outcomes):
            LEASES_LOST.inc(lost)
        if outcomes:
            await _write_deliveries(session, outcomes)
            await _write_health(session, outcomes, held)
        if released := [uuid for uuid in batch.released if uuid in held]:
            await session.execute(_RELEASE, {"webhooks": released})


async def _write_deliveries(session: AsyncSession, outcomes: Sequence[Outcome]) -> None:
    columns = {
        "ids": [each.delivery_id for each in outcomes],
        "attempts": [each.attempts for each in outcomes],
        "statuses": [each.attempt.status for each in outcomes],
        "errors": [each.attempt.error for each in outcomes],
    }
    await session.execute(
        _DELIVERIES,
        {
            **columns,
            "states": [each.state for each in outcomes],
            "tries": [each.tries for each in outcomes],
            "dues": [each.due for each in outcomes],
        },
    )
    await session.execute(
        _ATTEMPTS,
        {
            **columns,
            "started": [each.attempt.started for each in outcomes],
            "ms": [int(each.attempt.seconds * 1000) for each in outcomes],
            "sent": [json.dumps(each.attempt.request_headers) for each in outcomes],
            "received": [json.dumps(each.attempt.response_headers) for each in outcomes],
            "bodies": [each.attempt.response_body for each in outcomes],
        },
    )
    if many := [each for each in outcomes if each.attempts > MOST_ATTEMPTS]:
        arguments = {"ids": [each.delivery_id for each in many], "attempts": [each.attempts for each in many]}
        await session.execute(_FORGET, arguments)


async def _write_health(session: AsyncSession, outcomes: Sequence[Outcome], held: Mapping[str, int]) -> None:
    """The last state of each webhook; events of all its outcomes, in their order."""
    rows: dict[str, dict[str, Any]] = {}
    for each in outcomes:
        if held[each.webhook.uuid] != each.webhook.revision:
            continue
        row = rows.setdefault(each.webhook.uuid, {"succeeded_at": None, "disabled": None})
        row["disabled"] = row["disabled"] or each.disabled
        if each.state == "delivered":
            row["succeeded_at"] = datetime.fromtimestamp(each.attempt.started).astimezone()
        row |= _columns(each)
        for name, data in each.events:
            subject = f"webhooks/{each.webhook.uuid}"
            await emit(session, name, data, project_id=each.webhook.project_id, subject=subject)
    if rows:
        await session.execute(_HEALTH, [rows[uuid] for uuid in sorted(rows)])


def _columns(outcome: Outcome) -> dict[str, Any]:
    health = outcome.health
    return {
        "uuid": outcome.webhook.uuid,
        "failures": health.failures,
        "failing_since": health.failing_since,
        "last_error": health.last_error,
        "troubled": health.troubled,
        "recovered_at": health.recovered_at,
        "held_until": health.held_until,
    }
