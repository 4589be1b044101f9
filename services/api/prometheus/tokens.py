"""Creates, checks and deletes the tokens of Prometheus servers.

Rule: a token is random, so its hash needs no salt, and is looked up by it. It is returned by the request that creates
it and by no other. It gives access to the targets of its project and to nothing else.
"""

# ruff: noqa: S608 - statements consist of constants of this module; values are always arguments
from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, func, select, text, update

from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.lookup import check_marker, one_named
from services.api.reader import Reader, Row
from services.api.wire.errors import ApiError, bad_request, invalid_field
from services.api.wire.fields import Field, anything, parse_body, string
from services.api.wire.names import random_name
from services.api.wire.paging import Page
from services.api.wire.rendering import links, time_text
from services.api.wire.times import time
from shared.db.models import PrometheusToken
from shared.domain.ids import new_id

ATTRIBUTES = ("uuid", "project_id", "user_id", "name")
TIMES = ("expires_at", "last_used_at", "created_at")
COLUMNS = frozenset({"id", "uuid", "name", *TIMES})
USED_EVERY = timedelta(minutes=1)
_PREFIX = "jprom_"  # lets scanners of published code recognize it
_TOKEN = re.compile(_PREFIX + r"[A-Za-z0-9_-]{43}")
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('prometheus tokens of ' || :project, 0))")
_VISIBLE = "($1::text IS NULL OR t.project_id = $1)"
_SELECT = f"""
SELECT t.id, t.uuid, t.project_id, t.user_id, t.name, t.expires_at, t.last_used_at, t.created_at
FROM prometheus_tokens t WHERE {_VISIBLE}
"""
FIELDS = [
    Field("name", string(), {"type": ["string", "null"], "minLength": 1, "maxLength": 255}),
    Field("expires_at", time, {"type": ["string", "null"], "format": "date-time"}),
    *(
        Field(name, anything, {}, read_only=True)
        for name in (*ATTRIBUTES, *TIMES, "links")
        if name not in ("name", "expires_at")
    ),
]


async def list_tokens(reader: Reader, project: str | None, page: Page) -> list[Row]:
    await check_marker(reader, f"prometheus_tokens t WHERE {_VISIBLE}", "Token", page, project)
    after, order = page.sql("t", 2, "prometheus_tokens")
    return await reader.rows(f"{_SELECT} AND ({after}) ORDER BY {order} LIMIT $3", project, page.marker, page.limit)


async def one_token(reader: Reader, project: str | None, ident: str) -> Row:
    """A token by UUID or name."""
    return await one_named(reader, f"{_SELECT} AND t.", project, ident, "Token", "tokens", "token")


def view(row: Row, base: str) -> dict[str, Any]:
    shown = {name: row[name] for name in ATTRIBUTES} | {name: time_text(row[name]) for name in TIMES}
    return shown | {"links": links(base, "prometheus", "tokens", row["uuid"])}


async def create_token(deps: Deps, context: RequestContext, body: dict[str, Any]) -> tuple[str, str]:
    """Store a token of the caller's project. Returns its UUID and the token.

    Raises:
        ApiError: 400 for a time that is over, 403 if the project has too many tokens.
    """
    values = parse_body(body, FIELDS, "token")
    deps.policy.check(context, "prometheus_token:create")
    if not context.project_id:
        raise bad_request("A token belongs to a project: use a token of Keystone that is scoped to one.")
    expires_at: datetime | None = values.get("expires_at")
    if expires_at is not None and expires_at <= deps.clock():
        raise invalid_field("expires_at", expires_at.isoformat(), "Value should be a time in the future")
    uuid, token = new_id(), _PREFIX + secrets.token_urlsafe(32)
    row = PrometheusToken(
        uuid=uuid,
        project_id=context.project_id,
        user_id=context.user_id,
        name=values.get("name") or random_name("token"),
        token_hash=_hashed(token),
        expires_at=expires_at,
    )
    async with deps.db.transaction() as session:
        await session.execute(_ONE_AT_A_TIME, {"project": context.project_id})
        query = select(func.count()).where(PrometheusToken.project_id == context.project_id)
        limit = deps.settings.max_prometheus_tokens_per_project
        if (await session.scalar(query) or 0) >= limit:
            raise ApiError(403, f"Resource limit exceeded: The project has the maximum number of tokens, {limit}.")
        session.add(row)
    return uuid, token


async def delete_token(deps: Deps, context: RequestContext, found: Row) -> None:
    """Delete a token; the next request with it is refused."""
    deps.policy.check(context, "prometheus_token:delete", project_id=found["project_id"])
    async with deps.db.transaction() as session:
        await session.execute(delete(PrometheusToken).where(PrometheusToken.uuid == found["uuid"]))


async def project_of(deps: Deps, token: str | None) -> str | None:
    """The project whose targets may be read with this token; None if it is unknown or has expired."""
    if token is None or _TOKEN.fullmatch(token) is None:
        return None
    row = await deps.reader.row(
        "SELECT uuid, project_id, last_used_at FROM prometheus_tokens "
        "WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > now())",
        _hashed(token),
    )
    if row is None:
        return None
    if row["last_used_at"] is None or row["last_used_at"] <= deps.clock() - USED_EVERY:
        unchanged = PrometheusToken.last_used_at.is_not_distinct_from(row["last_used_at"])
        async with deps.db.transaction() as session:
            await session.execute(
                update(PrometheusToken)
                .where(PrometheusToken.uuid == row["uuid"], unchanged)
                .values(last_used_at=deps.clock())
            )
    return str(row["project_id"])


def _hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()
