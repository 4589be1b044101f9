"""Validates Keystone tokens and caches the results.

Rule: only Keystone's 404 makes a token invalid; if Keystone is not available, a `TemporaryError` is raised. Results are
cached by the token's SHA-256, for at most `token_cache_seconds` and not beyond the token's expiry, so a revoked token
works for at most that long. Concurrent requests with the same unknown token share one call to Keystone.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.cloud.flights import Flights
from shared.cloud.types import Identity
from shared.domain.errors import PermanentError

Ask = Callable[[str], Coroutine[Any, Any, dict[str, Any] | None]]
MAX_TOKEN_LENGTH = 16384


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """Keystone's response for a valid token: its identity, and the body with the catalogue."""

    identity: Identity
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: TokenAnswer | None
    until: float


class TokenValidator:
    """A bounded cache in front of Keystone.

    Args:
        ask: validates a token with Keystone; returns the body of the response, or None for an invalid token.
        ttl, negative_ttl: seconds to cache a valid and an invalid token.
        size: maximum number of tokens; the least recently used is discarded.
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
        self._flights: Flights[bytes, TokenAnswer | None] = Flights()

    async def answer(self, token: str) -> TokenAnswer | None:
        """Validate `token`, from the cache if possible.

        Raises:
            TemporaryError: Keystone is not available.
        """
        # Keystone never issues such tokens, and they are not valid in a header.
        if not token or len(token) > MAX_TOKEN_LENGTH or not token.isascii() or not token.isprintable():
            return None
        key = hashlib.sha256(token.encode()).digest()
        entry = self._entries.get(key)
        if entry is not None and self._clock() < entry.until:
            self._entries.move_to_end(key)
            return entry.answer
        flight = self._flights.get(key) or self._flights.start(key, lambda: self._fetch(key, token))
        return await flight.answer()

    async def close(self) -> None:
        """Cancel running calls."""
        await self._flights.close()

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
    """Convert Keystone's ISO 8601 time to seconds since the epoch."""
    moment = datetime.fromisoformat(iso)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def identity_of(body: Mapping[str, Any]) -> Identity:
    """The identity of a validated token.

    Raises:
        PermanentError: the response does not have the format of Keystone v3.
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
        raise PermanentError(f"Keystone's response for a token is invalid: missing {error}") from error
