"""Reads the event log for a caller: filters, pages and the stream.

Rule: a caller reads the events of their own project, an administrator those of all projects. A stream holds no database
connection while it waits, and resumes from a cursor without a gap.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.operations.views import event
from services.api.wakeups import happens
from services.api.wire.errors import bad_request, invalid_field
from services.api.wire.identifiers import as_uuid
from shared.events.catalog import CATALOG, PREFIX
from shared.events.log import CHANNEL
from shared.events.reader import Cursor, LoggedEvent, read_events

HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 3600.0
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Filters:
    """`after`: only later events; `types`: catalog names, None for all."""

    after: Cursor | None
    cluster_id: str | None
    types: list[str] | None


def read_filters(query: Mapping[str, str], *, last_event_id: str | None = None) -> Filters:
    """Parse the filters of a request.

    Args:
        query: `after`, `cluster` (UUID), `type` (names, comma-separated, `*` for any part).
        last_event_id: SSE's header; it takes precedence over `after`.

    Raises:
        ApiError: 400.
    """
    after = last_event_id or query.get("after")
    try:
        cursor = Cursor.parse(after) if after else None
    except ValueError:
        raise invalid_field("after", after, "Value should be the cursor of an earlier response") from None
    cluster = query.get("cluster")
    if cluster is not None and as_uuid(cluster) is None:
        raise invalid_field("cluster", cluster, "Value should be the UUID of a cluster")
    return Filters(cursor, as_uuid(cluster) if cluster else None, _types(query.get("type")))


def _types(text: str | None) -> list[str] | None:
    if text is None:
        return None
    patterns = [part.strip().removeprefix(PREFIX) for part in text[:2000].split(",")]
    names = [name for name in CATALOG if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not names:
        raise bad_request(f"No event type matches {text[:200]}; GET /v1/event-types lists them")
    return names


async def read_log(deps: Deps, context: RequestContext, filters: Filters, *, limit: int) -> list[LoggedEvent]:
    async with deps.db.transaction() as session:
        return await read_events(
            session,
            project_id=context.scope_project,
            after=filters.after,
            limit=limit,
            cluster_id=filters.cluster_id,
            types=filters.types,
        )


async def stream(
    deps: Deps, context: RequestContext, filters: Filters, *, seconds: float = STREAM_SECONDS
) -> AsyncIterator[bytes]:
    """Yield server-sent events from the log, and comments while there are none.

    Ends after `seconds` or when the process stops. The client then reconnects with `Last-Event-ID`, and its token is
    validated again.
    """
    until = time.monotonic() + seconds
    last_sent = time.monotonic()
    yield b": jeroboam\nretry: 1000\n\n"
    while time.monotonic() < until and not deps.closing:
        change = deps.wakeups.expect(CHANNEL)
        events = await read_log(deps, context, filters, limit=_BATCH)
        for logged in events:
            yield _frame(logged)
        if events:
            filters = Filters(events[-1].cursor, filters.cluster_id, filters.types)
            last_sent = time.monotonic()
            continue
        if time.monotonic() - last_sent >= HEARTBEAT_SECONDS:
            last_sent = time.monotonic()
            yield b": keep-alive\n\n"
        # Polling guarantees progress; notifications only reduce the delay.
        await happens(change, deps.settings.poll_seconds)


def _frame(logged: LoggedEvent) -> bytes:
    data = json.dumps(event(logged, PREFIX), separators=(",", ":"))
    return f"id: {logged.cursor}\nevent: {PREFIX}{logged.type}\ndata: {data}\n\n".encode()


def catalog() -> list[dict[str, Any]]:
    """All event types with the JSON Schemas of their data."""
    return [
        {
            "type": entry.cloudevents_type,
            "name": entry.name,
            "summary": entry.summary,
            "schema": entry.data.model_json_schema(),
        }
        for entry in CATALOG.values()
    ]
