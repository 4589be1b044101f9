"""The queries of one request, answered from the cache where it has an answer.

Rule: a request is never refused because of an answer that is older than the request. A check that finds a problem with
such answers runs again, with new ones. What is accepted on an answer that is no longer true fails later, in Heat.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.wire.errors import ApiError
from shared.cloud.contract import Lookups
from shared.cloud.types import Flavor, Image, Keypair, Network, QuotaLine, Subnet

T = TypeVar("T")


class RequestLookups:
    """`Lookups` for one request of the API. One instance per request.

    Answers belong to the caller's project, user and roles, because what a user sees depends on them.
    """

    def __init__(self, deps: Deps, context: RequestContext) -> None:
        self.project_id = context.project_id
        self._cloud: Lookups = deps.clouds.for_token(context.token, context.project_id)
        self._answers = deps.answers
        self._promises = deps.promises
        self._scope = (context.project_id, context.user_id, frozenset(context.roles))
        self._seconds = deps.settings.preflight_cache_seconds
        self._quota_seconds = deps.settings.preflight_quota_seconds
        self._began = deps.answers.clock()
        self._since = -math.inf
        self._is_old = False

    async def judged(self, check: Callable[[], Awaitable[T]], *, refused: Callable[[T], bool] | None = None) -> T:
        """Run a check; if it refuses because of answers that are older than the request, run it again without them.

        Args:
            check: uses these lookups; raises an ApiError to refuse.
            refused: whether a result of the check is a refusal.
        """
        try:
            result = await check()
            if not self._is_old or refused is None or not refused(result):
                return result
        except ApiError:
            if not self._is_old:
                raise
        self._since, self._is_old = self._began, False
        return await check()

    async def find_flavor(self, name_or_id: str) -> Flavor | None:
        return await self._answer(("flavor", name_or_id), lambda: self._cloud.find_flavor(name_or_id))

    async def find_keypair(self, name: str) -> Keypair | None:
        return await self._answer(("keypair", name), lambda: self._cloud.find_keypair(name))

    async def find_image(self, name_or_id: str) -> Image | None:
        return await self._answer(("image", name_or_id), lambda: self._cloud.find_image(name_or_id))

    async def find_network(self, name_or_id: str, *, external: bool | None = None) -> Network | None:
        key = ("network", name_or_id, external)
        return await self._answer(key, lambda: self._cloud.find_network(name_or_id, external=external))

    async def list_external_networks(self) -> list[Network]:
        return await self._answer(("external networks",), self._cloud.list_external_networks)

    async def find_subnet(self, name_or_id: str) -> Subnet | None:
        return await self._answer(("subnet", name_or_id), lambda: self._cloud.find_subnet(name_or_id))

    async def quotas(self) -> dict[str, QuotaLine]:
        """What the cloud reports, without promises."""
        return await self._answer(("quotas",), self._quotas, self._quota_seconds)

    async def has_service(self, service_type: str) -> bool:
        """From the catalogue of the caller's token, which needs no request."""
        return await self._cloud.has_service(service_type)

    async def _quotas(self) -> dict[str, QuotaLine]:
        asked_at = self._answers.clock()
        found = await self._cloud.quotas()
        self._promises.reported(self.project_id, found, asked_at)
        return found

    async def _answer(
        self, question: tuple[Any, ...], ask: Callable[[], Coroutine[Any, Any, T]], seconds: float | None = None
    ) -> T:
        answer = await self._answers.get(
            (self._scope, question), ask, seconds=self._seconds if seconds is None else seconds, since=self._since
        )
        if answer.asked_at < self._began:
            self._is_old = True
        value: T = answer.value
        return value
