"""Spans: what was done in a trace, when and for how long. Off by default, and then nothing is imported or recorded.

Rule: this is all that the rest of the code knows of OpenTelemetry (`otel`). The present trace (`trace`) is the only
context: a span's parent is the present `traceparent`, and within the span its own is the present one. Attributes say
what was done, and never contain tokens, bodies or texts of errors.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Protocol

import structlog

from shared.telemetry.trace import current_trace, in_trace

log = structlog.get_logger(__name__)
Value = str | int | float | bool
FLUSH_SECONDS = 3.0


class Kind(Enum):
    INTERNAL = 0
    SERVER = 1
    CLIENT = 2
    PRODUCER = 3
    CONSUMER = 4


class Span:
    """A span that is not recorded."""

    trace: str | None = None  # its traceparent

    def rename(self, name: str) -> None: ...

    def set(self, name: str, value: Value) -> None: ...

    def fail(self, kind: str) -> None:
        """Mark it as failed. Args: kind: a short name of the error, not its text."""

    def end(self) -> None: ...


NOTHING = Span()


class Recorder(Protocol):
    def begin(self, name: str, kind: Kind, attributes: Mapping[str, Value], parent: str | None) -> Span: ...

    def close(self) -> None:
        """Send what is recorded and stop. May block for some seconds."""
        ...


_recorder: Recorder | None = None
_present: ContextVar[Span] = ContextVar("jeroboam_span", default=NOTHING)


def is_recording() -> bool:
    """Whether spans are recorded by this process."""
    return _recorder is not None


def is_within() -> bool:
    """Whether the caller works within a span."""
    return _present.get() is not NOTHING


def begin_span(name: str, kind: Kind, attributes: Mapping[str, Value], parent: str | None) -> Span:
    """A span that its caller ends.

    Args:
        parent: `traceparent` that it belongs to; None begins a trace.
    """
    return NOTHING if _recorder is None else _recorder.begin(name, kind, attributes, parent)


@contextmanager
def span(name: str, kind: Kind = Kind.INTERNAL, attributes: Mapping[str, Value] | None = None) -> Iterator[Span]:
    """A span around a block, within the present trace. An exception that leaves the block marks it as failed."""
    if _recorder is None:
        yield NOTHING
        return
    found = _recorder.begin(name, kind, attributes or {}, current_trace())
    token = _present.set(found)
    try:
        with in_trace(found.trace):
            yield found
    except BaseException as error:
        found.fail(type(error).__name__)
        raise
    finally:
        _present.reset(token)
        found.end()


def annotate(name: str, value: Value) -> None:
    """Set an attribute of the span that the caller works in, also from a thread with the caller's context."""
    _present.get().set(name, value)


def export_is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's standard variables ask for spans to be sent."""
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return (
        any(environment.get(name, "").strip() for name in endpoints)
        and environment.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"
        and environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() != "none"
    )


@asynccontextmanager
async def recording_spans(service: str) -> AsyncIterator[None]:
    """Record and send the spans of this process while the block lasts, if the environment asks for it.

    A process without the packages of the extra `otel`, or with an invalid setting, logs an error and goes on without.
    """
    global _recorder
    if not export_is_wanted(os.environ):
        yield
        return
    recorder: Recorder | None = None
    try:
        from shared.telemetry.otel import OtlpRecorder

        recorder = OtlpRecorder(service, os.environ)
    except Exception as error:  # an optional part keeps no process from starting
        log.error("tracing.unavailable", error=str(error), hint="install jeroboam[otel]; see docs/tracing.md")
    _recorder = recorder
    try:
        yield
    finally:
        _recorder = None
        if recorder is not None:
            # A collector that does not answer must not delay the end of the process.
            closing = threading.Thread(target=recorder.close, name="last spans", daemon=True)
            closing.start()
            await asyncio.to_thread(closing.join, FLUSH_SECONDS)
