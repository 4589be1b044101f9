"""Handles incoming events, which only wake the runner.

Rule: the state of operations is in Postgres only. An operation is already queued when the event of its request arrives,
and a node's report has already made the waiting operation due; only Heat's notifications do that here. A lost, late or
duplicate message therefore only affects timing, and the events of joining nodes need no transaction.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from shared.bus.contract import Message, Verdict
from shared.db.engine import Database
from shared.events.catalog import StackChanged
from shared.events.envelope import MalformedEvent, from_message
from shared.operations.requests import make_due

log = structlog.get_logger(__name__)


class Handlers:
    """Args:
    database: contains the operations.
    wake: makes the runner look for due operations.
    stack_changed: called with the project of a changed stack.
    """

    def __init__(
        self, database: Database, wake: Callable[[], None], stack_changed: Callable[[str], None] = lambda _project: None
    ) -> None:
        self._database = database
        self._wake = wake
        self._stack_changed = stack_changed

    async def __call__(self, message: Message) -> Verdict:
        try:
            event = from_message(message)
        except MalformedEvent as error:
            log.error("event.malformed", message=message.id, error=str(error))
            return Verdict.DEAD
        if isinstance(event.data, StackChanged):
            self._stack_changed(event.project_id)
            if event.cluster_id is not None:
                async with self._database.transaction() as session:
                    await make_due(session, event.cluster_id)
        self._wake()
        return Verdict.DONE
