"""Deletes what is older than the settings keep it: events, operations, idempotency keys, heartbeats, dead letters.

Rule: rows are deleted in small transactions with a pause between them, by one monitor at a time, and a bounded number
in one pass. Of the event log, only a beginning is deleted, so that a reader either finds all events after its position
or is told that they are gone (410). An event stays while it is not published, while the webhooks or another reader that
is at work have not read it, and while a delivery of it is pending. Deliveries are deleted by the notifier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import TextClause, text

from shared.db.engine import Database
from shared.limit_settings import RetentionSettings
from shared.telemetry.metrics import PRUNED

log = structlog.get_logger(__name__)
_PAUSE_SECONDS = 0.05

_MINE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('jeroboam retention', 0))")
# The oldest events, up to the first one that has to stay.
_EVENTS = text("""
WITH oldest AS MATERIALIZED (
    SELECT seq, position, id, project_id, time, published_at FROM events
    WHERE position IS NOT NULL ORDER BY position LIMIT :batch
), judged AS MATERIALIZED (
    SELECT o.seq, o.position,
        o.time < now() - make_interval(secs => :seconds) AND o.published_at IS NOT NULL
        AND (NOT EXISTS (SELECT FROM webhooks) OR o.position <= coalesce((SELECT position FROM webhook_cursor), 0))
        AND o.position <= coalesce(
            (SELECT min(position) FROM log_readers WHERE lease_until > now() - interval '1 day'), o.position)
        AND NOT EXISTS (
            SELECT FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.uuid AND d.event_id = o.id
            WHERE w.project_id = o.project_id AND d.state = 'pending') AS is_over
    FROM oldest o
), gone AS (
    DELETE FROM events e USING judged j
    WHERE e.seq = j.seq AND j.position < coalesce(
        (SELECT min(position) FROM judged WHERE NOT is_over), (SELECT max(position) + 1 FROM judged))
    RETURNING e.seq
)
SELECT count(*) FROM gone
""")
# The last operation of a cluster says what it did last; that of a deleted cluster, that it has been there.
_OPERATIONS = text("""
WITH old AS (
    SELECT uuid FROM operations o
    WHERE finished_at < now() - make_interval(secs => :seconds)
    AND (EXISTS (SELECT FROM operations n WHERE n.cluster_id = o.cluster_id
                 AND (n.created_at, n.uuid) > (o.created_at, o.uuid))
         OR (finished_at < now() - make_interval(secs => :seconds_of_deleted)
             AND NOT EXISTS (SELECT FROM clusters c WHERE c.uuid = o.cluster_id)
             AND NOT EXISTS (SELECT FROM orphans r WHERE r.cluster_id = o.cluster_id)))
    ORDER BY finished_at LIMIT :batch FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM operations USING old WHERE operations.uuid = old.uuid RETURNING operations.uuid
)
SELECT count(*) FROM gone
""")
_IDEMPOTENCY_KEYS = text("""
WITH old AS (
    SELECT project_id, key FROM idempotency_keys WHERE created_at < now() - make_interval(secs => :seconds)
    ORDER BY created_at LIMIT :batch FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM idempotency_keys k USING old WHERE k.project_id = old.project_id AND k.key = old.key RETURNING k.key
)
SELECT count(*) FROM gone
""")
# The last process of each service stays, so that lists of services are never empty.
_HEARTBEATS = text("""
WITH old AS (
    SELECT process_id FROM service_heartbeats h WHERE beat_at < now() - make_interval(secs => :seconds)
    AND EXISTS (SELECT FROM service_heartbeats n WHERE n.service = h.service
                AND (n.beat_at, n.process_id) > (h.beat_at, h.process_id))
    ORDER BY beat_at LIMIT :batch FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM service_heartbeats h USING old WHERE h.process_id = old.process_id RETURNING h.process_id
)
SELECT count(*) FROM gone
""")
_DEAD_LETTERS = text("""
WITH old AS (
    SELECT id FROM dead_letters WHERE created_at < now() - make_interval(secs => :seconds)
    ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM dead_letters d USING old WHERE d.id = old.id RETURNING d.id
)
SELECT count(*) FROM gone
""")
_DAY = 86400


class Retention:
    """Args:
    database: holds the tables.
    settings: how long rows are kept, and how much is deleted at a time.
    """

    def __init__(self, database: Database, settings: RetentionSettings) -> None:
        self._database = database
        self._settings = settings
        s = settings
        kept_operations = {
            "seconds": s.operations_days * _DAY,
            "seconds_of_deleted": max(s.deleted_clusters_days, s.operations_days) * _DAY,
        }
        self._tables: Mapping[str, tuple[TextClause, dict[str, Any]]] = {
            "events": (_EVENTS, {"seconds": s.events_days * _DAY}),
            "operations": (_OPERATIONS, kept_operations),
            "idempotency_keys": (_IDEMPOTENCY_KEYS, {"seconds": s.idempotency_hours * 3600}),
            "service_heartbeats": (_HEARTBEATS, {"seconds": s.heartbeats_days * _DAY}),
            "dead_letters": (_DEAD_LETTERS, {"seconds": s.dead_letters_days * _DAY}),
        }

    async def watch(self) -> None:
        """Delete what is over, every `pause_seconds`, until cancelled."""
        while True:
            try:
                deleted = await self.prune()
                if any(deleted.values()):
                    log.info("retention.deleted", **deleted)
            except Exception as error:
                log.warning("retention.later", error=str(error))
            await asyncio.sleep(self._settings.pause_seconds)

    async def prune(self) -> dict[str, int]:
        """One pass. Returns the number of deleted rows by table; none of tables that another monitor is at."""
        return {table: await self._prune(table) for table in self._tables}

    async def _prune(self, table: str) -> int:
        statement, values = self._tables[table]
        deleted = 0
        for _ in range(self._settings.most_batches):
            async with self._database.transaction() as session:
                if not await session.scalar(_MINE):
                    break
                number = int(await session.scalar(statement, values | {"batch": self._settings.batch}) or 0)
            PRUNED.labels(table).inc(number)
            deleted += number
            if number < self._settings.batch:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return deleted
