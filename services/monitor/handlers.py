"""Dead letters: messages that no consumer could process are stored, so that an operator can list and replay them.

Rule: a row is keyed by queue and message, so a letter that is delivered twice is one row.
"""

from __future__ import annotations

import structlog
from sqlalchemy.dialects.postgresql import insert

from shared.bus.contract import Message, Verdict
from shared.db.engine import Database
from shared.db.models import DeadLetter

log = structlog.get_logger(__name__)


class DeadLetters:
    """Args:
    database: holds the `dead_letters` table.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, message: Message) -> Verdict:
        queue = message.headers.get("x-first-death-queue", "unknown")
        reason = message.headers.get("x-first-death-reason", "unknown")
        async with self._database.transaction() as session:
            await session.execute(
                insert(DeadLetter)
                .values(
                    message_id=message.id,
                    queue=queue,
                    routing_key=message.routing_key,
                    headers=dict(message.headers),
                    body=message.body,
                    reason=reason,
                )
                .on_conflict_do_nothing()
            )
        log.error("dead_letter.stored", message=message.id, queue=queue, reason=reason)
        return Verdict.DONE
