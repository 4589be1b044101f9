"""Rejects requests whose `Accept` header excludes JSON.

Rule: for URLs and methods of Magnum, such a request returns 406 before anything is done. Jeroboam's own routes can have
other media types (files, streams, metrics) and read the header themselves.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.wire.accept import accept_of, takes_json
from services.api.wire.errors import not_acceptable
from services.api.wire.rendering import error_response
from services.api.wire.routing_errors import is_magnums


class Acceptable:
    """Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not takes_json(accept_of(scope)) and is_magnums(scope["method"], scope["path"]):
            refusal = error_response(scope, not_acceptable("Only application/json is supported"), routing=True)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)
