"""Clients that do not take JSON.

Rule: where Magnum has a function for a URL and a method, an `Accept` that leaves no JSON is a 406 before anything is
done; what is ours alone may have other forms (files, streams, metrics) and looks at the header itself.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.errors import not_acceptable
from services.api.rendering import error_response
from services.api.routing_errors import is_magnums

_RANGE = re.compile(r"\s*([\w.+*-]+/[\w.+*-]+)\s*((?:;[^;,]*)*)\Z")
_REFUSED = re.compile(r"q=0(\.0{0,3})?\s*(;|\Z)")
_JSON = frozenset({"*/*", "application/*", "application/json", "application/problem+json"})


class Acceptable:
    """Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            accept = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), "")
            if not takes_json(accept) and is_magnums(scope["method"], scope["path"]):
                refusal = error_response(scope, not_acceptable("Only application/json is spoken here"), routing=True)
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


def takes_json(accept: str) -> bool:
    """Whether an `Accept` header leaves JSON among what may be answered; one that cannot be read asks for nothing."""
    if not accept.strip():
        return True
    for part in accept[:1000].split(","):
        media = _RANGE.match(part)
        if media is None or (media[1].lower() in _JSON and not _REFUSED.search(media[2].replace(" ", ""))):
            return True
    return False
