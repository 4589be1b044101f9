"""Requests for deliveries: a test, one delivery again, everything since a time again.

Rule: they only make rows due; the notifier sends them as it sends all others. An event keeps its ID, by which a
receiver recognizes it. A webhook that is paused or disabled is not sent to, so such requests are refused for it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.webhooks.fields import REDELIVER_FIELDS
from services.api.webhooks.manage import locked
from services.api.wire.errors import conflict
from services.api.wire.fields import parse_body
from shared.db.engine import notify
from shared.db.models import Webhook, WebhookDelivery
from shared.events.catalog import WebhookTested
from shared.events.log import emit
from shared.webhooks.channels import CHANGED
from shared.webhooks.statements import RECEIVES, make_due

MOST_AT_ONCE = 10_000
_TESTED = "webhook.tested.v1"
# Taken before the webhook's row, in the order in which the notifier's fan-out takes them.
_LOCK_LOG = text("SELECT coalesce(position, 0) FROM webhook_cursor FOR UPDATE")
_SINCE = text(f"""
WITH taken AS (
    SELECT e.id, e.type, e.cluster_id, e.position
    FROM events e JOIN webhooks w ON {RECEIVES}
    WHERE w.uuid = :webhook AND e.time >= :since AND e.position <= :position
      AND NOT EXISTS (
          SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = w.uuid AND d.event_id = e.id
            AND (d.state = 'pending' OR (d.state = 'delivered' AND NOT :all)))
    ORDER BY e.position LIMIT :limit
), made AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, event_type, cluster_id)
    SELECT :webhook, id, type, cluster_id FROM taken ORDER BY position
    ON CONFLICT (webhook_id, event_id) DO UPDATE SET state = 'pending', tries = 0, due_at = now(), finished_at = NULL,
        created_at = now()
    RETURNING id
)
SELECT count(*) FROM made
""")  # noqa: S608 - constants


async def send_test(deps: Deps, context: RequestContext, found: Row) -> str:
    """Send an event to this webhook only. Returns the UUID of the delivery.

    Raises:
        ApiError: 409 if the webhook is not enabled, or another test has not ended.
    """
    deps.policy.check(context, "webhook:test", project_id=found["project_id"])
    async with deps.db.transaction() as session:
        row = await _enabled(session, found["uuid"])
        waiting = select(func.count()).where(
            WebhookDelivery.webhook_id == row.uuid,
            WebhookDelivery.event_type == _TESTED,
            WebhookDelivery.state == "pending",
        )
        if await session.scalar(waiting):
            raise conflict(f"A test of webhook {row.name} has not ended yet.")
        data = WebhookTested(webhook_id=row.uuid, name=row.name)
        subject = f"webhooks/{row.uuid}"
        event_id = await emit(session, _TESTED, data, project_id=row.project_id, subject=subject)
        delivery = WebhookDelivery(webhook_id=row.uuid, event_id=event_id, event_type=_TESTED)
        session.add(delivery)
        await session.flush()
        await make_due(session, [row.uuid])
        return delivery.uuid


async def redeliver_one(deps: Deps, context: RequestContext, found: Row, delivery: Row) -> None:
    """Make a delivery that has ended due again.

    Raises:
        ApiError: 409 if the webhook is not enabled, or the delivery has not ended.
    """
    deps.policy.check(context, "webhook:redeliver", project_id=found["project_id"])
    async with deps.db.transaction() as session:
        row = await _enabled(session, found["uuid"])
        statement = (
            update(WebhookDelivery)
            .where(WebhookDelivery.id == delivery["id"], WebhookDelivery.state != "pending")
            .values(state="pending", tries=0, due_at=func.now(), finished_at=None)
            .returning(WebhookDelivery.id)
        )
        if (await session.execute(statement)).scalar_one_or_none() is None:
            raise conflict(f"Delivery {delivery['uuid']} has not ended yet.")
        await make_due(session, [row.uuid])


async def redeliver_since(deps: Deps, context: RequestContext, found: Row, body: dict[str, Any]) -> dict[str, Any]:
    """Make deliveries of all events since a time that were not delivered; with `all`, also of those that were.

    The oldest `MOST_AT_ONCE` are taken, and sent at the rate at which a receiver catches up.

    Returns:
        Their number, and whether there are more.
    """
    given = parse_body(body, REDELIVER_FIELDS, "redelivery")
    deps.policy.check(context, "webhook:redeliver", project_id=found["project_id"])
    async with deps.db.transaction() as session:
        position = await session.scalar(_LOCK_LOG)
        row = await _enabled(session, found["uuid"])
        arguments = {
            "webhook": row.uuid,
            "since": given["since"],
            "all": given.get("all", False),
            "position": position,
            "limit": MOST_AT_ONCE,
        }
        number = int(await session.scalar(_SINCE, arguments) or 0)
        if number:
            row.recovered_at = await session.scalar(select(func.now()))
            row.revision += 1
            await session.flush()
            await make_due(session, [row.uuid])
            await notify(session, CHANGED)
    return {"deliveries": number, "more": number == MOST_AT_ONCE}


async def _enabled(session: AsyncSession, uuid: str) -> Webhook:
    row = await locked(session, uuid)
    if not row.enabled:
        raise conflict(f"Webhook {row.name} is {'disabled' if row.disabled_reason else 'paused'}; enable it first.")
    return row
