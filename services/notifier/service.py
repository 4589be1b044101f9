"""The parts of the notifier, and how they run together.

Rule: the process, the tests and the benchmark run the same parts, wired here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from services.notifier.audit_notices import AuditNotices
from services.notifier.claims import Claims
from services.notifier.dispatcher import Dispatcher
from services.notifier.egress import Egress, Resolve, own_broadcasts
from services.notifier.fan_out import BATCH, FanOut
from services.notifier.handlers import CHANNELS, Handlers
from services.notifier.magnum_notices import MagnumNotices
from services.notifier.notices import Notices
from services.notifier.outcomes import Outcomes
from services.notifier.receiver import Tools
from services.notifier.retention import sweep_regularly
from services.notifier.sender import Sender
from shared.db.engine import Database
from shared.domain.ids import new_id
from shared.pki.sealing import Sealer
from shared.settings import Settings
from shared.webhooks.targets import TargetPolicy


class Notifier:
    """Args:
    database: contains the event log and the webhooks.
    resolve: (host, port) -> addresses; by default, the resolver of the system.
    batch: events that are read at once.
    """

    def __init__(
        self, database: Database, settings: Settings, *, resolve: Resolve | None = None, batch: int = BATCH
    ) -> None:
        webhooks = settings.webhooks
        claims = Claims(database, new_id(), seconds=webhooks.lease_seconds)
        self._database = database
        self._settings = settings
        self.egress = Egress(TargetPolicy.of(settings, own_broadcasts()), ca_file=webhooks.ca_file, resolve=resolve)
        self.tools = Tools(
            claims=claims,
            outcomes=Outcomes(database, claims.token),
            sender=Sender(self.egress, timeout_seconds=webhooks.timeout_seconds),
            sealer=Sealer(settings.secret_keys),
            settings=webhooks,
            places=asyncio.Semaphore(webhooks.process_concurrency),
        )
        poll = settings.poll_seconds
        self.fan_out = FanOut(database, poll_seconds=poll, batch=batch)
        self.notices: list[Notices] = []
        if settings.magnum_notifications.url:
            self.notices.append(MagnumNotices(database, settings.magnum_notifications, poll_seconds=poll))
        if settings.audit.url:
            self.notices.append(AuditNotices(database, settings.audit, poll_seconds=poll))
        self.dispatcher = Dispatcher(self.tools, lease_seconds=webhooks.lease_seconds, poll_seconds=poll)

    def work(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs until the process stops, by name."""
        handlers = Handlers(self.fan_out, self.dispatcher, self.notices)
        return {each.name: each.run() for each in self.notices} | {
            "fan-out": self.fan_out.run(),
            "outcomes": self.tools.outcomes.run(),
            "dispatcher": self.dispatcher.run(),
            "retention": sweep_regularly(self._database, self._settings.webhooks.retention_days),
            "webhook listener": self._database.listen(CHANNELS, handlers),
        }

    async def drain(self, grace: float) -> None:
        """Wait up to `grace` seconds for attempts in flight, and release what is claimed; `work` still runs."""
        await self.dispatcher.drain(grace)
        self.egress.close()

    @asynccontextmanager
    async def running(self, *, grace: float = 2.0) -> AsyncIterator[None]:
        """Run during a block, without a process of its own."""
        tasks = [asyncio.create_task(work, name=name) for name, work in self.work().items()]
        try:
            yield
        finally:
            await self.drain(grace)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
