"""SQL queries of GET requests for webhooks and their deliveries. Secrets are never selected."""

# ruff: noqa: S608 - statements consist of constants of this package; values are always arguments
from __future__ import annotations

from services.api.lookup import check_marker, one_named
from services.api.reader import Reader, Row
from services.api.wire.errors import not_found
from services.api.wire.identifiers import as_uuid, findable
from services.api.wire.paging import Page

COLUMNS = frozenset({"id", "uuid", "name", "format", "enabled", "ordered", "created_at", "updated_at"})
_VISIBLE = "($1::text IS NULL OR w.project_id = $1)"
_SELECT = f"""
SELECT w.id, w.uuid, w.project_id, w.user_id, w.name, w.description, w.url, w.event_types, w.cluster_ids, w.outcomes,
    w.format, w.ordered, w.enabled, w.disabled_reason, w.failures, w.failing_since, w.last_error, w.last_success_at,
    CASE WHEN w.old_secret_until > now() THEN w.old_secret_until END AS old_secret_until, w.created_at, w.updated_at
FROM webhooks w WHERE {_VISIBLE}
"""


async def list_webhooks(reader: Reader, project: str | None, page: Page) -> list[Row]:
    await check_marker(reader, f"webhooks w WHERE {_VISIBLE}", "Webhook", page, project)
    after, order = page.sql("w", 2, "webhooks")
    return await reader.page(f"{_SELECT} AND ({after}) ORDER BY {order} LIMIT $3", project, page.marker, page.limit)


async def one_webhook(reader: Reader, project: str | None, ident: str) -> Row:
    """A webhook by UUID or name."""
    return await one_named(reader, f"{_SELECT} AND w.", project, ident, "Webhook", "webhooks", "webhook")


async def list_deliveries(
    reader: Reader, webhook: str, *, state: str | None, marker: str | None, limit: int
) -> list[Row]:
    """Newest first; `marker` is the last UUID of the previous page."""
    return await reader.rows(
        "SELECT * FROM webhook_deliveries WHERE webhook_id = $1 AND ($2::text IS NULL OR state = $2) "
        "AND ($3::text IS NULL OR id < (SELECT id FROM webhook_deliveries WHERE uuid = $3 AND webhook_id = $1)) "
        "ORDER BY id DESC LIMIT $4",
        webhook,
        state,
        marker,
        limit,
    )


async def one_delivery(reader: Reader, webhook: str, ident: str) -> Row:
    uuid = as_uuid(ident)
    row = (
        await reader.row("SELECT * FROM webhook_deliveries WHERE webhook_id = $1 AND uuid = $2", webhook, uuid)
        if uuid
        else None
    )
    if row is None:
        raise not_found("Delivery", ident if findable(ident) else ascii(ident))
    return row


async def delivery_attempts(reader: Reader, delivery_id: int) -> list[Row]:
    return await reader.rows("SELECT * FROM webhook_attempts WHERE delivery_id = $1 ORDER BY id", delivery_id)


async def event_of(reader: Reader, event_id: str) -> Row | None:
    """The event of a delivery, with its data as text."""
    return await reader.row(
        "SELECT id, type, subject, project_id, cluster_id, operation_id, sequence, trace, data::text AS data, time "
        "FROM events WHERE id = $1",
        event_id,
    )
