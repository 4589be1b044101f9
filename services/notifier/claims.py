"""Claims webhooks, and reads what is to be sent for them.

Rule: a process claims a webhook, not a delivery, so the limits for a receiver are kept in one place and a receiver with
a long backlog takes no more of a claim than any other. Receivers that fail are claimed apart from those that do not, so
that they cannot use up the places of a process.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import text

from services.notifier.health import Health
from shared.db.engine import Database

PAGE = 200

_CLAIM = text("""
WITH ready AS (
    SELECT uuid FROM webhooks
    WHERE enabled AND next_due <= now() AND (lease_until IS NULL OR lease_until < now())
      AND (failures = 0) = :well
    ORDER BY next_due LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhooks SET lease_token = :token, lease_until = now() + make_interval(secs => :seconds)
FROM ready WHERE webhooks.uuid = ready.uuid
RETURNING webhooks.*, old_secret_until > now() AS old_secret_signs
""")
_RENEW = text("""
WITH held AS (
    SELECT uuid FROM webhooks WHERE lease_token = :token AND uuid = ANY(:webhooks) ORDER BY uuid FOR NO KEY UPDATE
)
UPDATE webhooks SET lease_until = now() + make_interval(secs => :seconds)
FROM held WHERE webhooks.uuid = held.uuid RETURNING webhooks.uuid, webhooks.revision
""")
_REVISIONS = text("SELECT uuid, revision FROM webhooks WHERE lease_token = :token")
_NEXT = text("""
SELECT min(next_due) FROM webhooks WHERE enabled AND next_due IS NOT NULL
  AND (lease_until IS NULL OR lease_until < now())
""")
# A delivery of an ordered webhook waits while an earlier one of its cluster waits for its next attempt.
_PAGES = text("""
SELECT d.webhook_id, d.id AS delivery, d.event_type, d.event_id, d.cluster_id AS delivery_cluster, d.tries, d.attempts,
       e.id, e.type, e.subject, e.project_id, e.cluster_id, e.operation_id, e.sequence, e.trace,
       e.data::text AS data, e.time
FROM webhooks w CROSS JOIN LATERAL (
    SELECT * FROM webhook_deliveries d
    WHERE d.webhook_id = w.uuid AND d.state = 'pending' AND d.due_at <= now()
      AND NOT (w.ordered AND d.cluster_id IS NOT NULL AND EXISTS (
          SELECT 1 FROM webhook_deliveries p
          WHERE p.webhook_id = w.uuid AND p.state = 'pending' AND p.cluster_id = d.cluster_id AND p.id < d.id
            AND p.due_at > now()))
    ORDER BY d.id LIMIT :limit
) d LEFT JOIN events e ON e.id = d.event_id
WHERE w.uuid = ANY(:webhooks) AND w.lease_token = :token
ORDER BY d.webhook_id, d.id
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A webhook as it was when it was claimed. `secrets` are sealed, newest first, each with its context's name."""

    uuid: str
    project_id: str
    name: str
    url: str
    format: str
    ordered: bool
    revision: int
    secrets: Sequence[tuple[str, bytes]]
    health: Health


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery that is due. `event` is None if the log no longer has its event."""

    id: int
    event_id: str
    event_type: str
    cluster_id: str | None
    tries: int
    attempts: int
    event: Mapping[str, Any] | None

    @property
    def event_time(self) -> datetime | None:
        return self.event["time"] if self.event is not None else None


class Claims:
    """Args:
    database: contains the webhooks.
    token: identifies this process as the holder of leases.
    seconds: length of a lease.
    """

    def __init__(self, database: Database, token: str, *, seconds: float) -> None:
        self._database = database
        self.token = token
        self._seconds = seconds

    async def claim(self, *, well: bool, limit: int) -> list[Claimed]:
        """Claim up to `limit` webhooks that have something to send: those whose last attempt succeeded, or others."""
        if limit <= 0:
            return []
        arguments = {"token": self.token, "seconds": self._seconds, "well": well, "limit": limit}
        async with self._database.transaction() as session:
            return [_claimed(row) for row in (await session.execute(_CLAIM, arguments)).mappings()]

    async def renew(self, webhooks: Collection[str]) -> dict[str, int]:
        """Extend leases. Returns the revision of each webhook that is still this process's."""
        arguments = {"token": self.token, "seconds": self._seconds, "webhooks": list(webhooks)}
        async with self._database.transaction() as session:
            return {row.uuid: row.revision for row in await session.execute(_RENEW, arguments)}

    async def revisions(self) -> dict[str, int]:
        async with self._database.transaction() as session:
            return {row.uuid: row.revision for row in await session.execute(_REVISIONS, {"token": self.token})}

    async def next_due(self) -> datetime | None:
        """When a webhook that no process holds is due next."""
        async with self._database.transaction() as session:
            found: datetime | None = await session.scalar(_NEXT)
            return found

    async def pages(self, webhooks: Collection[str], *, limit: int = PAGE) -> dict[str, list[Delivery]]:
        """Deliveries that are due, up to `limit` for each webhook, in their order."""
        found: dict[str, list[Delivery]] = {uuid: [] for uuid in webhooks}
        arguments = {"webhooks": list(webhooks), "token": self.token, "limit": limit}
        async with self._database.transaction() as session:
            for row in (await session.execute(_PAGES, arguments)).mappings():
                found[row["webhook_id"]].append(
                    Delivery(
                        row["delivery"],
                        row["event_id"],
                        row["event_type"],
                        row["delivery_cluster"],
                        row["tries"],
                        row["attempts"],
                        cast(Mapping[str, Any], row) if row["id"] is not None else None,
                    )
                )
        return found


def _claimed(row: Any) -> Claimed:
    secrets = [("current", row["secret"])]
    if row["old_secret"] is not None and row["old_secret_signs"]:
        secrets.append(("old", row["old_secret"]))
    return Claimed(
        uuid=row["uuid"],
        project_id=row["project_id"],
        name=row["name"],
        url=row["url"],
        format=row["format"],
        ordered=row["ordered"],
        revision=row["revision"],
        secrets=secrets,
        health=Health(
            failures=row["failures"],
            failing_since=row["failing_since"],
            last_error=row["last_error"],
            troubled=row["troubled"],
            recovered_at=row["recovered_at"],
            held_until=row["held_until"],
        ),
    )
