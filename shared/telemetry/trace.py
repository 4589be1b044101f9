"""The trace that the present work belongs to, as a W3C `traceparent`.

Rule: a request has a trace from its first line on, given by its caller or begun here. Whoever works for a request
later, in another process, takes the trace from the row or the message. Nothing here needs OpenTelemetry; `spans`
records what happens in a trace, if that is turned on.

Source: W3C Trace Context, level 1 (version 00) and level 2 (flags).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from secrets import token_hex
from typing import Any

HEADER = "traceparent"
_LONGEST = 512
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII | re.DOTALL)
# Sampled, and level 2's "the trace ID is random"; the other bits have no meaning yet and are not passed on.
_KNOWN_FLAGS = 0x03
_current: ContextVar[str | None] = ContextVar("jeroboam_trace", default=None)


def parse_trace(value: str | None) -> str | None:
    """A `traceparent` of version 00 with the content of `value`; None if it is missing or not valid.

    A later version is read as its first four fields, as the standard asks.
    """
    if value is None or len(value) > _LONGEST or (found := _FORM.fullmatch(value)) is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest is not None) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return f"00-{trace_id}-{span_id}-{int(flags, 16) & _KNOWN_FLAGS:02x}"


def trace_of_headers(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The valid `traceparent` of a request; None if there is none or more than one.

    Args:
        headers: names in lower case, and values.
    """
    given = [value for name, value in headers if name == b"traceparent"]
    return parse_trace(given[0].decode("latin-1")) if len(given) == 1 else None


def new_trace() -> str:
    """The beginning of a trace that is not recorded."""
    return f"00-{token_hex(16)}-{token_hex(8)}-02"


def current_trace() -> str | None:
    """The `traceparent` of the present work; None if no request is known to have caused it."""
    return _current.get()


def trace_id_of(trace: str) -> str:
    return trace[3:35]


def trace_for(own: str | None) -> str | None:
    """What is recorded for something that belongs to the trace `own`.

    Returns:
        The present `traceparent` if it is part of the same trace, or if there is no `own`; otherwise `own`.
    """
    present = _current.get()
    if own is None or (present is not None and trace_id_of(present) == trace_id_of(own)):
        return present
    return own


@contextmanager
def in_trace(trace: str | None) -> Iterator[None]:
    """Make `trace` the trace of the block; None: the block belongs to none."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def add_trace_id(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: `trace_id` of the present work."""
    if (trace := _current.get()) is not None:
        event.setdefault("trace_id", trace_id_of(trace))
    return event
