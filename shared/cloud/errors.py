"""Maps OpenStack's errors to Jeroboam's. Pure functions from status, headers and body to an exception.

Rule: errors that a retry may solve become a `TemporaryError`, all others a `PermanentError` with OpenStack's message.
Each service has a different error format; users see only the message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from keystoneauth1 import exceptions as ka

from shared.domain.errors import JeroboamError, NotFound, PermanentError, TemporaryError

# Messages of 409s that are permanent. All other conflicts mean that a resource is busy or in use.
LASTING_CONFLICTS = ("quota", "already exist", "duplicate", "conflict occurred attempting to store")
LONGEST_DELAY = 3600.0
MESSAGE_LIMIT = 2000


class Unauthorized(PermanentError):
    """Keystone or a service rejected the token or credentials (401)."""


class Forbidden(PermanentError):
    """Not permitted (403): a missing role, or a quota of Nova."""


class LastingConflict(PermanentError):
    """A permanent conflict (409): the name is in use, or a quota of Neutron is exceeded."""


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds from `Retry-After` (a number or an HTTP date), at most an hour; None if it is missing or invalid."""
    raw = next((value for key, value in headers.items() if key.lower() == "retry-after"), "").strip()
    if not raw:
        return None
    try:
        seconds = float(raw)
    except ValueError:
        try:
            then = parsedate_to_datetime(raw)
        except (TypeError, ValueError):
            return None
        if then.tzinfo is None:
            then = then.replace(tzinfo=UTC)
        seconds = (then - (now or datetime.now(UTC))).total_seconds()
    # This form of the comparison also rejects NaN.
    return min(seconds, LONGEST_DELAY) if seconds >= 0 else None


def message_of(body: str) -> str:
    """Extract the message from an error body of Keystone, Heat, Nova, Neutron, Glance or Octavia.

    Returns an empty string for HTML and all other formats.
    """
    text = body.strip()
    try:
        parsed = json.loads(text)
    except ValueError:
        return "" if text.startswith("<") else text[:MESSAGE_LIMIT]
    return _sentence(parsed)[:MESSAGE_LIMIT]


def _sentence(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return _sentence(value[0]) if value else ""
    if not isinstance(value, dict):
        return ""
    for key in ("message", "faultstring"):
        if isinstance(value.get(key), str) and value[key]:
            return str(value[key])
    # `{"NeutronError": {...}}`, `{"badRequest": {...}}`, `{"error": {...}}`, `{"errors": [...]}`: one level below
    for inner in value.values():
        if isinstance(inner, (dict, list)) and (found := _sentence(inner)):
            return found
    # Last, because in Heat's errors they contain only the name of the status.
    return str(value.get("detail") or value.get("title") or "")


def from_response(status: int, headers: Mapping[str, str], body: str, *, doing: str) -> JeroboamError | None:
    """Return the error of an HTTP response, or None for a status below 400.

    Args:
        doing: description of the call, for the message, e.g. `create stack jeroboam-...`.
    """
    if status < 400:
        return None
    message = message_of(body)
    words = f"{doing}: {message or 'no reason given'} (HTTP {status})"
    if status == 404:
        return NotFound(words)
    if status == 401:
        return Unauthorized(words)
    if status == 403:
        return Forbidden(words)
    if status == 409:
        lasting = any(sign in message.lower() for sign in LASTING_CONFLICTS)
        return LastingConflict(words) if lasting else TemporaryError(words, retry_after(headers))
    if status in {408, 425, 429} or status >= 500:
        return TemporaryError(words, retry_after(headers))
    if status == 413 and (delay := retry_after(headers)) is not None:
        return TemporaryError(words, delay)
    return PermanentError(words)


def check(status: int, headers: Mapping[str, str], body: str, *, doing: str) -> None:
    """Raise the error returned by `from_response`, if any."""
    error = from_response(status, headers, body, doing=doing)
    if error is not None:
        raise error


def from_exception(error: BaseException, *, doing: str) -> JeroboamError | None:
    """The same for exceptions of keystoneauth and httpx; None for others (the SDK's: `shared.cloud.sdk_errors`)."""
    if isinstance(error, JeroboamError):
        return error
    if isinstance(error, ka.HttpError):
        response = getattr(error, "response", None)
        headers = dict(response.headers) if response is not None else {}
        body = response.text if response is not None else str(error.message or "")
        return from_response(int(error.http_status), headers, body, doing=doing)
    if isinstance(error, (ka.catalog.EmptyCatalog, ka.catalog.EndpointNotFound)):
        return PermanentError(f"{doing}: the service catalogue does not contain this service ({error})")
    if isinstance(error, (ka.ConnectionError, ka.DiscoveryFailure, ka.RetriableConnectionFailure)):
        return TemporaryError(f"{doing}: {error}")
    if isinstance(error, (httpx.TransportError, TimeoutError)):
        return TemporaryError(f"{doing}: {str(error) or 'timeout'}")
    if isinstance(error, ka.ClientException):
        return PermanentError(f"{doing}: {error}")
    return None
