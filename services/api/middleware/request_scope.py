"""The outermost middleware: request ID, trace, log context and metrics.

Rule: every response has its own `X-OpenStack-Request-Id`, also after errors. A caller's ID is logged in addition to it
(OpenStack's "global" request ID) and never replaces it, so callers cannot choose the ID used in logs. A caller's trace
(W3C `traceparent`) is continued, as its purpose is to connect what several systems record; else one begins here.
"""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.middleware.request_span import request_span, tell_outcome
from shared.telemetry.spans import Span

REQUEST_ID = "jeroboam.request_id"
ROUTE = "jeroboam.route"
_GLOBAL_ID = re.compile(rb"req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")

REQUESTS = Counter("jeroboam_api_requests_total", "Number of responses", ["method", "route", "status"])
SECONDS = Histogram("jeroboam_api_request_seconds", "Duration of requests in seconds", ["route"])
_METHODS = frozenset({"GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"})

log = structlog.get_logger(__name__)


class RequestScope:
    """Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req-{uuid4()}"
        scope[REQUEST_ID] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id, **_global_id(scope))
        with request_span(scope, request_id) as span:
            await self._answer(scope, receive, send, request_id, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str, span: Span) -> None:
        header = (b"x-openstack-request-id", request_id.encode())
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            route = _route(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            REQUESTS.labels(method, route, str(status)).inc()
            SECONDS.labels(route).observe(seconds)
            tell_outcome(span, method, route, status)
            log.debug("request.answered", method=method, path=scope["path"], status=status, seconds=round(seconds, 4))
            structlog.contextvars.clear_contextvars()


def _global_id(scope: Scope) -> dict[str, str]:
    for name, value in scope["headers"]:
        if name == b"x-openstack-request-id" and _GLOBAL_ID.match(value):
            return {"global_request_id": value.decode()}
    return {}


def _route(scope: Scope) -> str:
    """The route's pattern instead of the path, to limit the number of metrics."""
    route = scope.get("route")
    return getattr(route, "path", "unmatched")
