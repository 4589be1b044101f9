"""Events in: nothing but waking.

Rule: a message starts work, Postgres owns it. A request's row is queued already when its event arrives, a node's report
has made the waiting operation due where it was stored, and only Heat's word has to do that here. So a lost, late or
doubled message changes nothing but the moment, and a thousand nodes that join cost no transaction.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

from shared.bus.contract import Message, Verdict
from shared.db.engine import Database
from shared.events.catalog import StackChanged
from shared.events.envelope import MalformedEvent, from_message
from shared.operations.requests import make_due

log = structlog.get_logger(__name__)


class Handlers:
    """Args:
    database: where operations are.
    wake: lets the runner look for due work now.
    stack_changed: called with the project whose stacks are known to have changed.
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
            if event.cluster_id is not None and not await self._make_due(event.cluster_id, message):
                return Verdict.LATER
        self._wake()
        return Verdict.DONE

    async def _make_due(self, cluster_id: str, message: Message) -> bool:
        try:
            async with self._database.transaction() as session:
                await make_due(session, cluster_id)
        except (DBAPIError, OSError, TimeoutError) as error:
            log.warning("event.later", message=message.id, error=str(error))
            return False
        return True
