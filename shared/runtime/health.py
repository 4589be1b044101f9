"""`/livez`, `/readyz` and `/metrics` of services without an HTTP API.

Rule: `/livez` responds while the event loop runs; `/readyz` says of each dependency whether it responds. Anyone may
ask, so errors, which can contain addresses, are in the log only, and the checks run at most once a second. The API uses
the same checks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Check = Callable[[], Awaitable[None]]

CHECK_SECONDS = 6.0
KEPT_SECONDS = 1.0
log = structlog.get_logger(__name__)


class Readiness:
    """The state of dependencies, checked when somebody asks.

    Args:
        checks: dependency -> check, which raises an error if it does not respond.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._parts: dict[str, str] = {}
        self._checked_at = -KEPT_SECONDS
        self._lock = asyncio.Lock()

    async def parts(self) -> dict[str, str]:
        """Dependency -> `ok` or `failed`; at most KEPT_SECONDS old."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= KEPT_SECONDS:
                results = await asyncio.gather(*(self._check(name, check) for name, check in self._checks.items()))
                self._parts = dict(zip(self._checks, results, strict=True))
                self._checked_at = time.monotonic()
            return dict(self._parts)

    async def _check(self, name: str, check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except Exception as error:
            log.warning("readiness.failed", dependency=name, error=str(error) or type(error).__name__)
            return "failed"
        return "ok"


def health_app(checks: Mapping[str, Check], *, draining: Callable[[], bool]) -> Starlette:
    """The health endpoints.

    Args:
        checks: dependency -> check.
        draining: whether the process is stopping, in which case it is not ready.
    """

    readiness = Readiness(checks)

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_request: Request) -> Response:
        parts = await readiness.parts()
        ready = not draining() and all(state == "ok" for state in parts.values())
        body = {"ready": ready, "draining": draining(), "parts": parts}
        return JSONResponse(body, status_code=200 if ready else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)],
    )
