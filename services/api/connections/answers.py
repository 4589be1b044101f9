"""Responses to what never becomes a request, as bytes."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from services.api.wire.errors import ApiError

HEALTH = frozenset({"/livez", "/readyz", "/healthcheck", "/metrics"})
FULL = ApiError(503, "Too many connections are open (limits.connections).", headers={"Retry-After": "5"})
TOO_MANY_OF_ADDRESS = ApiError(
    503,
    "Too many connections are open, of all clients (limits.connections) or of this address "
    "(limits.connections_per_address).",
    headers={"Retry-After": "5"},
)


def _parts(error: ApiError) -> tuple[list[tuple[bytes, bytes]], bytes]:
    code = "client" if error.status < 500 else "server"
    found: dict[str, Any] = {"request_id": "", "code": code, "status": error.status, "links": []}
    body = json.dumps({"errors": [found | {"title": error.title, "detail": error.detail}]}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"x-openstack-request-id", f"req-{uuid4()}".encode()),
        *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
    ]
    return headers, body


def raw(error: ApiError) -> bytes:
    """A whole response in HTTP/1.1, after which the connection is closed."""
    headers, body = _parts(error)
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n".encode() + lines + b"\r\n" + body


class OnlyHealth:
    """An application for connections of the reserve: other requests than those for the health return 503."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in HEALTH:
            await self._app(scope, receive, send)
            return
        headers, body = _parts(FULL)
        await send({"type": "http.response.start", "status": FULL.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
