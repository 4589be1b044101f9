"""Validates Keystone tokens and caches the results.

Rule: only Keystone's 404 makes a token invalid; if Keystone is not available, a `TemporaryError` is raised. Results are
cached by the token's SHA-256, for at most `token_cache_seconds` and not beyond the token's expiry, so a revoked token
works for at most that long. Invalid tokens are cached apart, so that they displace no valid ones. Concurrent requests
with the same unknown token share one call to Keystone. The number of calls and of those that wait is limited, and so is
their time: a Keystone that does not answer cannot hold more requests than that.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.cloud.flights import Flights
from shared.cloud.types import Identity
from shared.domain.errors import PermanentError, TemporaryError

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
        size: maximum number of valid tokens, and of invalid ones; the least recently used is discarded.
        timeout: seconds for one validation, with its wait for a turn.
        concurrency: validations at the same time; queue: validations that wait for their turn.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        ttl: float,
        negative_ttl: float,
        size: int,
        timeout: float = 10.0,
        concurrency: int = 32,
        queue: int = 200,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ask = ask
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._size = size
        self._clock = clock
        self._timeout = timeout
        self._turns = asyncio.Semaphore(concurrency)
        self._most_flights = concurrency + queue
        self._valid: OrderedDict[bytes, _Entry] = OrderedDict()
        self._invalid: OrderedDict[bytes, _Entry] = OrderedDict()
        self._flights: Flights[bytes, TokenAnswer | None] = Flights()

    async def answer(self, token: str) -> TokenAnswer | None:
        """Validate `token`, from the cache if possible.

        Raises:
            TemporaryError: Keystone is not available, or too many other tokens wait for it.
        """
        # Keystone never issues such tokens, and they are not valid in a header.
        if not token or len(token) > MAX_TOKEN_LENGTH or not token.isascii() or not token.isprintable():
            return None
        key = _key(token)
        entry = self._cached(key)
        if entry is not None:
            return entry.answer
        flight = self._flights.get(key)
        if flight is None:
            if len(self._flights) >= self._most_flights:
                raise TemporaryError("Keystone does not validate tokens fast enough; try again")
            flight = self._flights.start(key, lambda: self._fetch(key, token))
        return await flight.answer()

    def knows(self, token: str) -> bool:
        """Whether the answer for a token is cached."""
        return self._cached(_key(token)) is not None

    def _cached(self, key: bytes) -> _Entry | None:
        for cache in (self._valid, self._invalid):
            entry = cache.get(key)
            if entry is not None and self._clock() < entry.until:
                cache.move_to_end(key)
                return entry
        return None

    async def close(self) -> None:
        """Cancel running calls."""
        await self._flights.close()

    async def _fetch(self, key: bytes, token: str) -> TokenAnswer | None:
        try:
            async with asyncio.timeout(self._timeout), self._turns:
                body = await self._ask(token)
        except TimeoutError as error:
            raise TemporaryError(f"validate a token: no answer from Keystone within {self._timeout:g} s") from error
        now = self._clock()
        answer = None if body is None else TokenAnswer(identity_of(body), body)
        until = now + self._negative_ttl
        if answer is not None:
            expires = seconds_of(answer.identity.expires_at)
            if expires <= now:
                answer = None
            else:
                until = min(now + self._ttl, expires)
        self._valid.pop(key, None)
        cache = self._invalid if answer is None else self._valid
        cache[key] = _Entry(answer, until)
        cache.move_to_end(key)
        while len(cache) > self._size:
            cache.popitem(last=False)
        return answer


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


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
