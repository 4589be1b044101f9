"""Reads request bodies.

Rule: nothing is read beyond the size limit of the route, whatever `Content-Length` says, and every malformed body
returns a 4xx. The shape of JSON is checked before it is parsed. Numbers that are not JSON (NaN, Infinity) are syntax
errors.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from services.api.wire.body_limits import BodyLimit, body_limit
from services.api.wire.errors import ApiError, bad_request, missing_argument
from services.api.wire.json_shape import check_shape
from shared.limit_settings import LimitSettings

_MOST_FIELDS = 1000
_PATCH_TYPES = frozenset({"application/json-patch+json", "application/merge-patch+json"})
_FORM = "application/x-www-form-urlencoded"
_NOT_JSON = "Request is not in valid JSON format"


async def read_json(request: Request, *, patch: bool = False) -> Any:
    """Return the parsed body; None for null and for an empty body.

    Args:
        patch: also accept the media types of patches, in addition to `application/json`.

    Raises:
        ApiError: 413 if it is too large, 415 for another media type, 400 if it is a form with fields, not JSON, or
            JSON that is nested too deeply or has too many elements.
    """
    raw = await read_body(request)
    return _parsed(request, raw, patch=patch) if raw else None


def _parsed(request: Request, raw: bytes, *, patch: bool = False) -> Any:
    media = _media_type(request)
    if media == _FORM:
        _check_form(raw)
        return None
    if media and media != "application/json" and not (patch and media in _PATCH_TYPES):
        raise ApiError(415, f"Unknown mimetype: {request.headers['content-type'][:100]}")
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass")
        check_shape(text, limits_of(request))
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad_request(_NOT_JSON) from None


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _check_form(raw: bytes) -> None:
    """Magnum treats the fields of a form like arguments of the query, and a form without fields like no body."""
    try:
        fields = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise bad_request("Request is not a valid form") from None
    if fields:
        raise _unknown({name for name, _ in fields})


async def read_object(request: Request, argument: str) -> dict[str, Any]:
    """Return the parsed body, which must be a JSON object.

    Args:
        argument: Magnum's name of the body, for the error if there is none.
    """
    body = await read_json(request)
    if body is None:
        raise missing_argument(argument)
    if not isinstance(body, dict):
        raise bad_request(_NOT_JSON)
    return body


async def read_nothing(request: Request) -> None:
    """Check that a request has no body. Clients send an empty one, or an empty object."""
    raw = await read_body(request)
    if not raw.strip():
        return
    if _media_type(request) == _FORM:
        _check_form(raw)
        return
    body = _parsed(request, raw)
    if not isinstance(body, dict):
        raise bad_request("Request must be a JSON dict")
    if body:
        raise _unknown(body)


async def read_body(request: Request) -> bytes:
    """Return the raw body, which is limited by its route."""
    limit = body_limit(limits_of(request), request.scope["path"])
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > 12 or int(declared) > limit.most):
        raise _too_large(limit)
    received = bytearray()
    try:
        async for chunk in request.stream():
            received += chunk
            if len(received) > limit.most:
                raise _too_large(limit)
    except ClientDisconnect:
        raise bad_request("The request ended before its body was complete") from None
    return bytes(received)


def check_query(request: Request, allowed: Collection[str]) -> None:
    """Raise Magnum's 400 if the query contains an unknown argument."""
    given = request.query_params.multi_items()
    if unknown := {name for name, _ in given if name not in allowed}:
        raise _unknown(unknown)
    if len(given) > len(request.query_params):
        raise bad_request("Each argument can be given only once")


def _unknown(names: Iterable[str]) -> ApiError:
    return bad_request(f'Unknown argument: "{", ".join(sorted(names))[:200]}"')


def limits_of(request: Request) -> LimitSettings:
    """The limits of the application that serves the request."""
    limits: LimitSettings = request.app.state.limits
    return limits


def _too_large(limit: BodyLimit) -> ApiError:
    return ApiError(413, f"The request body is larger than {limit.most} bytes (limits.{limit.setting})")


def _no_constant(_name: str) -> NoReturn:
    raise ValueError
