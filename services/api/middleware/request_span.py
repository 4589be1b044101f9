"""The trace of a request, and the span that shows it.

Rule: a caller's trace is continued; its `sampled` flag says whether the request is recorded, unless a sampler of the
operator's says otherwise (docs/tracing.md). Probes are not recorded. Names and attributes are those of OpenTelemetry's
semantic conventions for HTTP servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Scope

from shared.telemetry.spans import NOTHING, Kind, Span, is_recording, span
from shared.telemetry.trace import in_trace, new_trace, trace_of_headers

_PROBES = frozenset({"/livez", "/readyz", "/healthcheck", "/metrics"})


@contextmanager
def request_span(scope: Scope, request_id: str) -> Iterator[Span]:
    """Process a request in its trace."""
    given = trace_of_headers(scope["headers"])
    if not is_recording() or scope["path"] in _PROBES:
        with in_trace(given or new_trace()):
            yield NOTHING
        return
    attributes = {"url.scheme": scope.get("scheme", "http"), "jeroboam.request_id": request_id}
    with in_trace(given), span("request", Kind.SERVER, attributes) as found:
        yield found


def tell_outcome(found: Span, method: str, route: str, status: int) -> None:
    """Args: status: 0 if there was no response."""
    found.rename(f"{method} {route}")
    found.set("http.request.method", method)
    found.set("http.route", route)
    if status:
        found.set("http.response.status_code", status)
    if status >= 500:
        found.fail(str(status))
