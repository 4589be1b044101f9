"""SQL that the API and the notifier share: which events a webhook receives, and making a webhook due.

Rule: the fan-out and a redelivery of everything since a time select events by the same condition.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import notify
from shared.webhooks.channels import DUE

# `w` is a webhook, `e` an event. A webhook does not receive events about itself, so that it cannot cause them forever.
RECEIVES = """
    e.project_id = w.project_id AND e.time >= w.created_at
    AND (w.type_likes = '{}' OR e.type LIKE ANY (w.type_likes))
    AND (w.cluster_ids = '{}' OR e.cluster_id = ANY (w.cluster_ids))
    AND (w.outcomes = '{}' OR split_part(e.type, '.', -2) = ANY (w.outcomes))
    AND e.type NOT LIKE 'webhook.tested.%' AND e.subject <> 'webhooks/' || w.uuid
"""
# All rows are locked, also those that are due already: a process that releases one of them at this moment looks for
# deliveries either before the lock, and is then overruled, or after the commit, and then finds them.
_LOCK = text("SELECT 1 FROM webhooks WHERE uuid = ANY(:webhooks) ORDER BY uuid FOR NO KEY UPDATE")
_MAKE_DUE = text("""
UPDATE webhooks SET next_due = greatest(now(), held_until)
WHERE uuid = ANY(:webhooks) AND (next_due IS NULL OR next_due > greatest(now(), held_until))
""")


async def make_due(session: AsyncSession, webhooks: list[str]) -> None:
    """Let a process look at these webhooks, for which this transaction made deliveries."""
    await session.execute(_LOCK, {"webhooks": webhooks})
    await session.execute(_MAKE_DUE, {"webhooks": webhooks})
    await notify(session, DUE)
