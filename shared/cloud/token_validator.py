"""Who is asking: Keystone tokens, validated once and believed for a while.

Rule: only Keystone's own 404 makes a token invalid; a Keystone that does not answer is a `TemporaryError`, never a
refusal. A token is remembered by its SHA-256, for at most `token_cache_seconds` and never past its own expiry, so a
revoked token works for at most that long. Requests that bring the same unknown token at once ask Keystone once.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.cloud.types import Identity
from shared.domain.errors import PermanentError

Ask = Callable[[str], Awaitable[dict[str, Any] | None]]
MAX_TOKEN_LENGTH = 16384


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What Keystone said of a valid token: who it speaks for, and the body with its catalogue."""

    identity: Identity
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: TokenAnswer | None
    until: float


class TokenValidator:
    """A bounded cache in front of Keystone.

    Args:
        ask: asks Keystone; returns the body of its answer, or None for an invalid token.
        ttl, negative_ttl: seconds to believe a valid and an invalid token.
        size: how many tokens are remembered; the least recently used is forgotten.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        ttl: float,
        negative_ttl: float,
        size: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ask = ask
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._flights: dict[bytes, asyncio.Task[TokenAnswer | None]] = {}

    async def answer(self, token: str) -> TokenAnswer | None:
        """What Keystone says of `token`, from the cache where it is fresh.

        Raises:
            TemporaryError: Keystone cannot be asked now.
        """
        # Keystone never issues such tokens, and neither may reach it in a header.
        if not token or len(token) > MAX_TOKEN_LENGTH or not token.isascii() or not token.isprintable():
            return None
        key = hashlib.sha256(token.encode()).digest()
        entry = self._entries.get(key)
        if entry is not None and self._clock() < entry.until:
            self._entries.move_to_end(key)
            return entry.answer
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fetch(key, token))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        # Shielded: one request that is cancelled must not fail the others that wait for the same answer.
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """End what is under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _landed(self, key: bytes, flight: asyncio.Task[TokenAnswer | None]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            # Looked at, so that asyncio does not complain when everybody who waited has gone.
            flight.exception()

    async def _fetch(self, key: bytes, token: str) -> TokenAnswer | None:
        body = await self._ask(token)
        now = self._clock()
        answer = None if body is None else TokenAnswer(identity_of(body), body)
        until = now + self._negative_ttl
        if answer is not None:
            expires = seconds_of(answer.identity.expires_at)
            if expires <= now:
                answer = None
            else:
                until = min(now + self._ttl, expires)
        self._entries[key] = _Entry(answer, until)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
        return answer


def seconds_of(iso: str) -> float:
    """Keystone's ISO 8601 time as seconds since the epoch."""
    moment = datetime.fromisoformat(iso)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def identity_of(body: Mapping[str, Any]) -> Identity:
    """Who a validated token speaks for.

    Raises:
        PermanentError: the answer is not Keystone's v3.
    """
    try:
        token = body["token"]
        project = token.get("project") or {}
        scope_domain = token.get("domain") or project.get("domain") or {}
        return Identity(
            user_id=token["user"]["id"],
            user_name=token["user"]["name"],
            project_id=project.get("id"),
            project_name=project.get("name"),
            domain_id=scope_domain.get("id"),
            roles=tuple(role["name"] for role in token.get("roles", ())),
            expires_at=token["expires_at"],
            is_system=bool((token.get("system") or {}).get("all")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise PermanentError(f"Keystone's answer about a token cannot be read: missing {error}") from error
