"""`Idempotency-Key`: a POST that is sent twice is executed once.

Rule: the response is stored in the transaction that does the work, so that neither exists without the other. A key
belongs to a project; the same key with a different request is a conflict.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from services.api.context import RequestContext
from services.api.reader import Reader
from services.api.wire.errors import bad_request, conflict
from services.api.wire.fields import storable
from services.api.wire.rendering import json_response
from shared.db.models import IdempotencyKey

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's key for one request."""

    project_id: str
    key: str
    request_hash: str


def read_key(request: Request, context: RequestContext, body: Any) -> Key | None:
    """The request's key, or None if it has none.

    Raises:
        ApiError: 400 if the key is empty, too long or not text.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= 255 or not storable(key):
        raise bad_request(f"{HEADER} must have 1 to 255 characters")
    asked = json.dumps([request.method, request.scope["path"], request.url.query, body], sort_keys=True)
    return Key(context.project_id, key, hashlib.sha256(asked.encode()).hexdigest())


async def replay(reader: Reader, key: Key | None) -> Response | None:
    """The response that was stored for this key, if any.

    Raises:
        ApiError: 409 if the key was used for another request.
    """
    if key is None:
        return None
    row = await reader.row(
        "SELECT request_hash, status, body, headers FROM idempotency_keys "
        "WHERE project_id = $1 AND key = $2 AND created_at > now() - $3::interval",
        key.project_id,
        key.key,
        KEPT,
    )
    if row is None:
        return None
    if row["request_hash"] != key.request_hash:
        raise conflict(f"{HEADER} was used for a different request.")
    return json_response(row["body"], row["status"], row["headers"] | {"Idempotency-Replayed": "true"})


async def remember(
    session: AsyncSession, key: Key | None, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    """Store the response in the caller's transaction.

    Raises:
        ApiError: 409 if a request with the same key was accepted concurrently.
    """
    if key is None:
        return
    await session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.project_id == key.project_id,
            IdempotencyKey.key == key.key,
            IdempotencyKey.created_at <= func.now() - KEPT,
        )
    )
    inserted = await session.execute(
        insert(IdempotencyKey)
        .values(
            project_id=key.project_id,
            key=key.key,
            request_hash=key.request_hash,
            status=status,
            body=body,
            headers=headers or {},
        )
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    )
    if inserted.scalar_one_or_none() is None:
        raise conflict(f"A request with this {HEADER} is in progress; try again.")
