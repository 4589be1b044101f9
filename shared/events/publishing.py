"""Spans of messages that are published: one for each message, in the trace of its event.

Rule: the relay publishes the events of many requests at once and belongs to none of their traces. A consumer continues
the span of its message; `ce-traceparent` remains the context in which the event was stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from shared.bus.contract import Message
from shared.bus.topology import EXCHANGE
from shared.telemetry.spans import Kind, Span, begin_span, is_recording
from shared.telemetry.trace import HEADER


@contextmanager
def publishing(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """The messages as they are to be published within the block, at the end of which the spans end."""
    if not is_recording():
        yield messages
        return
    spans: list[Span] = []
    try:
        yield [_with_span(message, spans) for message in messages]
    except BaseException as error:
        for span in spans:
            span.fail(type(error).__name__)
        raise
    finally:
        for span in spans:
            span.end()


def _with_span(message: Message, spans: list[Span]) -> Message:
    trace = message.headers.get(HEADER)
    if trace is None:
        return message
    about = {
        "messaging.operation.name": "publish",
        "messaging.destination.name": EXCHANGE,
        "messaging.message.id": message.id,
    }
    span = begin_span(f"publish {message.routing_key}", Kind.PRODUCER, about, trace)
    spans.append(span)
    return message if span.trace is None else replace(message, headers={**message.headers, HEADER: span.trace})
