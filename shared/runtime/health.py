"""`/livez`, `/readyz` and `/metrics` of services without an HTTP API.

Rule: `/livez` responds while the event loop runs; `/readyz` contains the status of each dependency. The API uses the
same checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Check = Callable[[], Awaitable[None]]

CHECK_SECONDS = 6.0


async def run_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """Run all checks concurrently. Returns dependency -> `ok` or the error."""

    async def one(check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except Exception as error:
            return str(error) or type(error).__name__
        return "ok"

    results = await asyncio.gather(*(one(check) for check in checks.values()))
    return dict(zip(checks, results, strict=True))


def health_app(checks: Mapping[str, Check], *, draining: Callable[[], bool]) -> Starlette:
    """The health endpoints.

    Args:
        checks: dependency -> check.
        draining: whether the process is stopping, in which case it is not ready.
    """

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_request: Request) -> Response:
        parts = await run_checks(checks)
        ready = not draining() and all(state == "ok" for state in parts.values())
        body = {"ready": ready, "draining": draining(), "parts": parts}
        return JSONResponse(body, status_code=200 if ready else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)],
    )
