"""Responds to OPTIONS, and allows browsers of other origins to use the API where the operator lists them.

Rule: OPTIONS returns 200 for every URL and without a token, as Magnum's default pipeline does. The headers that let a
browser read a response are only sent to the origins in `JEROBOAM_CORS_ALLOWED_ORIGINS`; by default there are none.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

# As in Magnum, and what Jeroboam's own routes read or send in addition.
_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH")
_READ = (
    "X-Auth-Token",
    "X-Identity-Status",
    "X-Roles",
    "X-Service-Catalog",
    "X-User-Id",
    "X-Tenant-Id",
    "X-OpenStack-Request-ID",
    "X-Server-Management-Url",
    "OpenStack-API-Version",
    "Idempotency-Key",
    "Last-Event-ID",
)
_SENT = (
    "X-Auth-Token",
    "X-Subject-Token",
    "X-Service-Token",
    "X-OpenStack-Request-ID",
    "X-Server-Management-Url",
    "OpenStack-API-Version",
    "Location",
    "Retry-After",
    "X-Jeroboam-Cursor",
)


class Cors(CORSMiddleware):
    """Args:
    origins: origins whose pages may use the API, such as `https://horizon.example.org`; `*` for all.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        super().__init__(app, origins, _METHODS, _READ, expose_headers=_SENT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            await self._options(Headers(scope=scope))(scope, receive, send)
            return
        if not self.allow_origins:
            await self.app(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def _options(self, headers: Headers) -> Response:
        if self.allow_origins and "origin" in headers and "access-control-request-method" in headers:
            answer = self.preflight_response(headers)
            if answer.status_code == 200:
                return answer
        # A refused preflight lacks the headers of an accepted one, which is what browsers look at.
        return Response(status_code=200)
