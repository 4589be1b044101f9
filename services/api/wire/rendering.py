"""Formats responses and errors.

Rule: one function formats all JSON responses and one formats all errors, so that all routes have the same format. Text
is escaped to ASCII, so that any bytes sent by the caller can be returned in messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from services.api.wire.accept import JSON, PROBLEM, accept_of, prefers_json
from services.api.wire.errors import ApiError

UNVERSIONED = "jeroboam.unversioned"


def json_response(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(json.dumps(data), status_code=status, headers=headers, media_type=JSON)


def empty_response(status: int = 204) -> Response:
    return Response(status_code=status)


def error_response(scope: Scope, error: ApiError, *, routing: bool = False) -> Response:
    """An error in Magnum's format, or as `application/problem+json` if the caller requests it.

    Args:
        scope: the ASGI scope, for the Accept header.
        routing: the URL, method or version is invalid. Magnum's response to these has no code, a description only if
            the caller requested JSON explicitly, and no version headers.
    """
    accept = accept_of(scope)
    code, title, detail = "client" if error.status < 500 else "server", error.title, error.detail
    if routing:
        scope[UNVERSIONED] = True
        code, title = "", HTTPStatus(error.status).phrase
    if PROBLEM in accept.lower():
        problem = {"type": "about:blank", "title": title, "status": error.status, "detail": detail}
        return Response(json.dumps(problem), status_code=error.status, headers=error.headers, media_type=PROBLEM)
    if routing and not prefers_json(accept):
        title = detail = ""
    body: dict[str, Any] = {
        "request_id": "",
        "code": code,
        "status": error.status,
        "title": title,
        "detail": detail,
        "links": [],
    }
    return json_response({"errors": [body]}, error.status, error.headers)


def unauthorized_response(auth_url: str) -> Response:
    """The response of keystonemiddleware, which clients of OpenStack services expect.

    Args:
        auth_url: Keystone's URL, for the `WWW-Authenticate` header.
    """
    message = "The request you have made requires authentication."
    challenge = {"WWW-Authenticate": f'Keystone uri="{auth_url.removesuffix("/v3")}"'}
    return json_response({"error": {"code": 401, "title": "Unauthorized", "message": message}}, 401, challenge)


def time_text(value: datetime | None) -> str | None:
    """A time in ISO 8601."""
    return value.isoformat() if value else None


def base_url(request: Request) -> str:
    """The base of links: the operator's public URL, or the scheme and host of the request where none is set."""
    public: str | None = request.app.state.public_url
    if public is not None:
        return public
    host = request.headers.get("host", "")
    if not host or not all(character.isalnum() or character in ".-:[]_" for character in host):
        server = request.scope.get("server") or ("localhost", 80)
        host = f"{server[0]}:{server[1]}"
    return f"{request.scope['scheme']}://{host}"


def links(base: str, *path: str) -> list[dict[str, str]]:
    """Magnum's pair of links: `self` under /v1 and `bookmark` without it."""
    tail = "/".join(path)
    return [{"href": f"{base}/v1/{tail}", "rel": "self"}, {"href": f"{base}/{tail}", "rel": "bookmark"}]
