"""Reading request bodies.

Rule: nothing is read beyond the limit, nothing is believed before it is parsed, and every malformed byte string ends
as a 4xx. Numbers that are no JSON (NaN, Infinity) and nesting that would exhaust the stack are refused like any other
syntax error.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from services.api.errors import ApiError, bad_request, missing_argument

MAX_BODY = 1024 * 1024
_PATCH_TYPES = frozenset({"application/json-patch+json", "application/merge-patch+json"})
_NOT_JSON = "Request is not in valid JSON format"


async def read_json(request: Request, *, patch: bool = False) -> Any:
    """The parsed body.

    Args:
        patch: the media types of patches are accepted beside `application/json`.

    Raises:
        ApiError: 413 too large, 415 another media type, 400 no JSON.
    """
    return parse_json(request, await read_body(request), patch=patch)


def parse_json(request: Request, raw: bytes, *, patch: bool = False) -> Any:
    """What `raw`, the request's body, says; the same refusals as `read_json`."""
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media and media != "application/json" and not (patch and media in _PATCH_TYPES):
        raise ApiError(415, f"Unknown mimetype: {request.headers['content-type'][:100]}")
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad_request(_NOT_JSON) from None


async def read_object(request: Request) -> dict[str, Any]:
    """The parsed body, which must be a JSON object."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise bad_request(_NOT_JSON)
    return body


async def read_argument(request: Request, argument: str) -> dict[str, Any]:
    """As `read_object`; without any body the refusal names the argument, as Magnum's does."""
    raw = await read_body(request)
    if not raw.strip():
        raise missing_argument(argument)
    body = parse_json(request, raw)
    if body is None:
        raise missing_argument(argument)
    if not isinstance(body, dict):
        raise bad_request(_NOT_JSON)
    return body


async def read_body(request: Request) -> bytes:
    """The raw body, at most `MAX_BODY` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > 12 or int(declared) > MAX_BODY):
        raise _too_large()
    received = bytearray()
    try:
        async for chunk in request.stream():
            received += chunk
            if len(received) > MAX_BODY:
                raise _too_large()
    except ClientDisconnect:
        raise bad_request("The request ended before its body did") from None
    return bytes(received)


def check_query(request: Request, allowed: Collection[str]) -> None:
    """400 when the query holds an argument the route does not know, as Magnum answers."""
    for name in request.query_params:
        if name not in allowed:
            raise bad_request(f'Unknown argument: "{name[:100]}"')


def _too_large() -> ApiError:
    return ApiError(413, f"The request body is larger than {MAX_BODY} bytes")


def _no_constant(_name: str) -> NoReturn:
    raise ValueError
