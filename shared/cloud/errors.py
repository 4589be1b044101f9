"""From OpenStack's errors to our two words. Pure: status, headers and body in, an exception out.

Rule: what may pass by itself is a `TemporaryError`, the rest is a `PermanentError` that carries OpenStack's own words.
Every service wraps its message differently; a user must see the message and never the wrapping.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from keystoneauth1 import exceptions as ka
from openstack import exceptions as sdk

from shared.domain.errors import JeroboamError, NotFound, PermanentError, TemporaryError

# A 409 that waiting does not cure. Everything else OpenStack calls a conflict is a thing busy or still in use.
LASTING_CONFLICTS = ("quota", "already exist", "duplicate", "conflict occurred attempting to store")
LONGEST_DELAY = 3600.0
MESSAGE_LIMIT = 2000


class Unauthorized(PermanentError):
    """Keystone or a service refused our token or credentials (401)."""


class Forbidden(PermanentError):
    """We are known, and may not (403): a missing role, or a quota of Nova."""


class LastingConflict(PermanentError):
    """A conflict (409) that waiting does not cure: the name is taken, or a quota of Neutron is spent."""


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds asked for by `Retry-After` (a number or an HTTP date), at most an hour; None where it says nothing."""
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
    # Written so that a NaN is refused too.
    return min(seconds, LONGEST_DELAY) if seconds >= 0 else None


def message_of(body: str) -> str:
    """The human sentence in an error body of Keystone, Heat, Nova, Neutron, Glance or Octavia.

    Returns an empty string for HTML and for anything else that was not written for people.
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
    # `{"NeutronError": {...}}`, `{"badRequest": {...}}`, `{"error": {...}}`, `{"errors": [...]}`: one level down
    for inner in value.values():
        if isinstance(inner, (dict, list)) and (found := _sentence(inner)):
            return found
    # Last, because beside Heat's own sentence they hold only the name of the status.
    return str(value.get("detail") or value.get("title") or "")


def from_response(status: int, headers: Mapping[str, str], body: str, *, doing: str) -> JeroboamError | None:
    """The error that an HTTP answer means, or None for an answer below 400.

    Args:
        doing: what was attempted, for the message, e.g. `create stack jeroboam-...`.
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
    """Raise what `from_response` finds."""
    error = from_response(status, headers, body, doing=doing)
    if error is not None:
        raise error


def from_exception(error: BaseException, *, doing: str) -> JeroboamError | None:
    """The same for what keystoneauth, requests and httpx raise; None for what is not theirs (a bug of ours)."""
    if isinstance(error, JeroboamError):
        return error
    if isinstance(error, ka.HttpError):
        response = getattr(error, "response", None)
        headers = dict(response.headers) if response is not None else {}
        body = response.text if response is not None else str(error.message or "")
        return from_response(int(error.http_status), headers, body, doing=doing)
    if isinstance(error, (ka.catalog.EmptyCatalog, ka.catalog.EndpointNotFound)):
        return PermanentError(f"{doing}: the service catalogue has no such service ({error})")
    if isinstance(error, (ka.ConnectionError, ka.DiscoveryFailure, ka.RetriableConnectionFailure)):
        return TemporaryError(f"{doing}: {error}")
    if isinstance(error, (httpx.TransportError, TimeoutError)):
        return TemporaryError(f"{doing}: {str(error) or 'no answer in time'}")
    if isinstance(error, sdk.ServiceDisabledException):
        return PermanentError(f"{doing}: the service catalogue has no such service")
    if isinstance(error, sdk.SDKException):
        # The SDK raises these when a service's version document cannot be had: a service that is down.
        return TemporaryError(f"{doing}: {error}")
    if isinstance(error, ka.ClientException):
        return PermanentError(f"{doing}: {error}")
    return None
