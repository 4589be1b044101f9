"""Lists messages that no consumer could process, and replays them once the cause is fixed.

Rule: only the relay publishes. A replay marks the letter's event as unpublished, so that the relay publishes it again
with the same ID.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import notify
from shared.db.models import DeadLetter, Event
from shared.domain.errors import NotFound
from shared.events.log import CHANNEL


async def list_dead_letters(session: AsyncSession, *, limit: int = 100) -> Sequence[DeadLetter]:
    """Newest first, including letters that were already replayed."""
    found = await session.scalars(select(DeadLetter).order_by(DeadLetter.id.desc()).limit(limit))
    return found.all()


async def replay(session: AsyncSession, letter_id: int) -> str:
    """Publish a letter's event again.

    Returns:
        The event's ID.

    Raises:
        NotFound: there is no such letter, or its message is not in the event log.
    """
    letter = await session.get(DeadLetter, letter_id, with_for_update=True)
    if letter is None:
        raise NotFound(f"there is no dead letter {letter_id}")
    event: str | None = await session.scalar(
        update(Event)
        .where(Event.id == letter.message_id)
        .values(published_at=None, lease_token=None, lease_until=None)
        .returning(Event.id)
    )
    if event is None:
        raise NotFound(f"dead letter {letter_id} ({letter.message_id}) is not in the event log; it cannot be replayed")
    letter.replayed_at = func.now()
    await notify(session, CHANNEL)
    return event
