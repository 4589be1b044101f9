"""Sends notifications in OpenStack's form to a RabbitMQ, from the event log.

Rule: the log is read in the order of positions, from a position that is stored after the broker has confirmed what was
read: each event is sent at least once and, with the same IDs, again if this process dies in between. One process at a
time reads, under a lease, so the notifications of a cluster are in order. It begins with what happens after it is
first turned on.
"""

from __future__ import annotations

import asyncio
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError

from shared.bus.oslo import encode
from shared.bus.oslo_publisher import OsloPublisher
from shared.db.engine import Database
from shared.domain.clock import utc_now
from shared.domain.errors import NotFound, TemporaryError
from shared.domain.ids import new_id
from shared.events.numbering import number_events
from shared.notification_settings import NotificationSettings
from shared.telemetry import crashpoints
from shared.telemetry.sparse import SparseLog

log = structlog.get_logger(__name__)

BATCH = 100
WINDOW = 2000
LEASE_SECONDS = 60.0
# Publishing stops then, long before the lease ends.
_WORK_SECONDS = 25.0
_PAUSE_SECONDS = 5.0

_BEGIN = text("""
INSERT INTO log_readers (name, position) SELECT :name, last_position FROM event_counter ON CONFLICT (name) DO NOTHING
""")
_KNOWN = text("""
SELECT r.position, EXISTS (SELECT 1 FROM events e WHERE e.position > r.position) AS behind
FROM log_readers r WHERE r.name = :name
""")
_CLAIM = text("""
UPDATE log_readers SET lease_token = :token, lease_until = now() + make_interval(secs => :seconds)
WHERE name = :name AND (lease_until IS NULL OR lease_until < now())
RETURNING position
""")
_WINDOW = text("""
SELECT max(position) FROM (SELECT position FROM events WHERE position > :after ORDER BY position LIMIT :window) read
""")
_ADVANCE = text("""
UPDATE log_readers SET position = :position, lease_token = NULL, lease_until = NULL
WHERE name = :name AND lease_token = :token
""")


@dataclass(frozen=True, slots=True)
class Notification:
    event_type: str
    level: str
    payload: dict[str, Any]


class Notices(ABC):
    """One kind of notifications; a subclass says which events it sends, and their form.

    Args:
        database: contains the event log.
        settings: where notifications are sent; the URL is set.
        poll_seconds: longest delay of an event when no notification of the database arrives.
    """

    name: str  # of the reader, whose position is stored
    word: str  # in log lines
    types: Collection[str]
    read: TextClause  # up to `:batch` events `:after` a position, of `:types` and up to `:last`

    @abstractmethod
    def form(self, event: Mapping[str, Any]) -> Notification:
        """An event as a notification. Args: event: a row of `read`, with position, id, type and time."""

    def __init__(self, database: Database, settings: NotificationSettings, *, poll_seconds: float) -> None:
        assert settings.url is not None
        self._database = database
        self._settings = settings
        self._poll_seconds = poll_seconds
        self._publisher = OsloPublisher(settings.url.get_secret_value())
        self._publisher_id = f"container-infra.{settings.host or socket.gethostname()}"
        self._woken = asyncio.Event()
        self._sparse = SparseLog(log)

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled. Errors of the database or the broker delay notifications but never lose them."""
        try:
            while True:
                self._woken.clear()
                pause = self._poll_seconds
                try:
                    if await self.send_batch():
                        continue
                except (DBAPIError, OSError, TimeoutError, TemporaryError, NotFound) as error:
                    self._sparse.warning(f"{self.word}.delayed", error=str(error).partition("\n")[0])
                    await asyncio.sleep(_PAUSE_SECONDS)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._woken.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """End the connection to the broker."""
        await self._publisher.close()

    async def send_batch(self) -> bool:
        """Send what the next events are told as. Returns whether something was read, so more may follow.

        Raises:
            TemporaryError, NotFound: the broker is away, or there is no exchange; what was sent before is stored.
        """
        await number_events(self._database)
        token = new_id()
        after = await self._claim(token)
        if after is None:
            return False
        sent = after
        try:
            async with self._database.transaction() as session:
                last = await session.scalar(_WINDOW, {"after": after, "window": WINDOW}) or after
                wanted = {"after": after, "last": last, "types": list(self.types), "batch": BATCH}
                events = (await session.execute(self.read, wanted)).mappings().all()
            end = time.monotonic() + _WORK_SECONDS
            for event in events:
                if time.monotonic() > end:
                    break
                await self._send(dict(event))
                sent = event["position"]
            else:
                if len(events) < BATCH:
                    sent = last
            await crashpoints.reached(f"notifier.{self.word}_sent")
        finally:
            async with self._database.transaction() as session:
                await session.execute(_ADVANCE, {"name": self.name, "token": token, "position": sent})
        return sent > after

    async def _claim(self, token: str) -> int | None:
        """The position after which to read; None if nothing is new or another process reads."""
        async with self._database.transaction() as session:
            known = (await session.execute(_KNOWN, {"name": self.name})).one_or_none()
            if known is None:
                await session.execute(_BEGIN, {"name": self.name})
                return None
            if not known.behind:
                return None
            position: int | None = await session.scalar(
                _CLAIM, {"name": self.name, "token": token, "seconds": LEASE_SECONDS}
            )
            return position

    async def _send(self, event: Mapping[str, Any]) -> None:
        notification = self.form(event)
        body = encode(
            notification.event_type,
            notification.payload,
            message_id=event["id"],
            publisher_id=self._publisher_id,
            level=notification.level,
            moment=event["time"],
        )
        topics: Sequence[str] = self._settings.topics
        try:
            await self._publisher.send(self._settings.exchange, topics, notification.level, body)
        except NotFound as error:
            if utc_now() - event["time"] < timedelta(minutes=self._settings.hold_minutes):
                raise
            self._sparse.warning(f"{self.word}.unheard", event_id=event["id"], error=str(error))
