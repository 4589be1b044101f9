"""Messages no consumer could take: seen, and sent again once the cause is mended.

Rule: a replay is the relay's work. The letter's event is marked as unpublished, so it goes out under its own id as it
did the first time; nobody publishes past the relay.
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
    """The newest first; replayed ones included, with the time of it."""
    found = await session.scalars(select(DeadLetter).order_by(DeadLetter.id.desc()).limit(limit))
    return found.all()


async def replay(session: AsyncSession, letter_id: int) -> str:
    """Have a letter's event published again.

    Returns:
        The event's id.

    Raises:
        NotFound: no such letter, or its message is no event of our log (rubbish from elsewhere).
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
        raise NotFound(f"dead letter {letter_id} ({letter.message_id}) is not an event of ours; nothing to replay")
    letter.replayed_at = func.now()
    await notify(session, CHANNEL)
    return event
