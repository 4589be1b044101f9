"""Creates, changes and deletes webhooks, and rotates their secrets.

Rule: a secret is returned by the request that makes it and by no other. Every change increases the webhook's revision
and wakes the notifier, which then reads it again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.webhooks.fields import DEFAULTS, FIELDS, changed_webhook, check_url, stored
from services.api.wire.errors import ApiError, bad_request, not_found
from services.api.wire.fields import parse_body
from services.api.wire.names import random_name
from services.api.wire.patch import Change
from shared.db.engine import notify
from shared.db.models import Webhook
from shared.domain.ids import new_id
from shared.pki.sealing import webhook_place
from shared.webhooks.channels import CHANGED
from shared.webhooks.signing import new_secret

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('webhooks of ' || :project, 0))")


async def create_webhook(deps: Deps, context: RequestContext, body: dict[str, Any]) -> tuple[str, str]:
    """Store a webhook. Returns its UUID and its secret.

    Raises:
        ApiError: 400 for a URL to which no request may be sent, 403 if the project has too many webhooks.
    """
    values = DEFAULTS | parse_body(body, FIELDS, "webhook")
    check_url(deps.targets, values["url"])
    deps.policy.check(context, "webhook:create")
    if not context.project_id:
        raise bad_request("A webhook belongs to a project: use a token that is scoped to one.")
    uuid, secret = new_id(), new_secret()
    values.setdefault("name", random_name("webhook"))
    row = Webhook(
        uuid=uuid,
        project_id=context.project_id,
        user_id=context.user_id,
        secret=deps.sealer.seal(secret.encode(), webhook_place(uuid, "current")),
        **stored(values),
    )
    async with deps.db.transaction() as session:
        await session.execute(_ONE_AT_A_TIME, {"project": context.project_id})
        query = select(func.count()).select_from(Webhook).where(Webhook.project_id == context.project_id)
        limit = deps.settings.webhooks.max_per_project
        if (await session.scalar(query) or 0) >= limit:
            raise ApiError(403, f"Resource limit exceeded: The project has the maximum number of webhooks, {limit}.")
        session.add(row)
    return uuid, secret


async def update_webhook(deps: Deps, context: RequestContext, found: Row, changes: list[Change]) -> None:
    """Apply a patch. Enabling a webhook, or giving it another URL, forgets the failures so far."""
    deps.policy.check(context, "webhook:update", project_id=found["project_id"])
    async with deps.db.transaction() as session:
        row = await locked(session, found["uuid"])
        columns = {column.name: getattr(row, column.name) for column in Webhook.__table__.columns}
        values = changed_webhook(columns, changes)
        if values["url"] != row.url:
            check_url(deps.targets, values["url"])
        begins = values["enabled"] and not row.enabled
        now = await session.scalar(select(func.now()))
        if begins or values["url"] != row.url:
            row.failures, row.failing_since, row.held_until, row.next_due = 0, None, None, now
        if begins:
            row.recovered_at = now  # what has waited is sent at a limited rate
        if values["enabled"] != row.enabled:
            row.disabled_reason = None
        for name, value in stored(values).items():
            setattr(row, name, value)
        await _changed(session, row)


async def delete_webhook(deps: Deps, context: RequestContext, found: Row) -> None:
    """Delete a webhook with its deliveries; what was not delivered is not sent any more."""
    deps.policy.check(context, "webhook:delete", project_id=found["project_id"])
    async with deps.db.transaction() as session:
        await session.delete(await locked(session, found["uuid"]))
        await notify(session, CHANGED)


async def rotate_secret(deps: Deps, context: RequestContext, found: Row) -> tuple[str, str | None]:
    """Make a new secret. Returns it, and the time until which the old one signs as well."""
    deps.policy.check(context, "webhook:rotate_secret", project_id=found["project_id"])
    secret = new_secret()
    async with deps.db.transaction() as session:
        row = await locked(session, found["uuid"])
        old = deps.sealer.open(row.secret, webhook_place(row.uuid, "current"))
        overlap = timedelta(hours=deps.settings.webhooks.secret_overlap_hours)
        until = deps.clock() + overlap
        if overlap:
            row.old_secret, row.old_secret_until = deps.sealer.seal(old, webhook_place(row.uuid, "old")), until
        else:
            row.old_secret = row.old_secret_until = None
        row.secret = deps.sealer.seal(secret.encode(), webhook_place(row.uuid, "current"))
        await _changed(session, row)
    return secret, until.isoformat() if overlap else None


async def locked(session: AsyncSession, uuid: str) -> Webhook:
    """Lock a webhook's row for a change."""
    row = await session.scalar(select(Webhook).where(Webhook.uuid == uuid).with_for_update())
    if row is None:
        raise not_found("Webhook", uuid)
    return row


async def _changed(session: AsyncSession, row: Webhook) -> None:
    row.revision += 1
    row.updated_at = await session.scalar(select(func.now()))
    await notify(session, CHANGED)
