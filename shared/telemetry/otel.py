"""Records spans with OpenTelemetry's SDK and sends them by OTLP over HTTP. Imported only if that is turned on.

Rule: the provider belongs to this module and is not the global one, so no other library records anything by itself.
Endpoint, headers, certificate, sampler, limits and batches are set by the SDK's standard variables (`OTEL_*`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared.telemetry.spans import Kind, Span, Value

_KINDS = {kind: api.SpanKind(kind.value) for kind in Kind}
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class RecordedSpan(Span):
    """A span of the SDK."""

    def __init__(self, span: api.Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.trace = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 3:02x}"

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(api.StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()


class OtlpRecorder:
    """Args:
    service: name of the service.
    environment: of the process.

    Raises:
        ValueError: another protocol than OTLP over HTTP is asked for.
    """

    def __init__(self, service: str, environment: Mapping[str, str]) -> None:
        for name in _PROTOCOLS:
            if environment.get(name, "http/protobuf") != "http/protobuf":
                raise ValueError(f"{name}: only http/protobuf is supported, not {environment[name]!r}")
        about = {"service.namespace": "jeroboam", "service.instance.id": f"{socket.gethostname()}:{os.getpid()}"}
        if not environment.get("OTEL_SERVICE_NAME"):
            about["service.name"] = f"jeroboam-{service}"
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("jeroboam")

    def begin(self, name: str, kind: Kind, attributes: Mapping[str, Value], parent: str | None) -> Span:
        context = Context() if parent is None else api.set_span_in_context(_remote(parent), Context())
        return RecordedSpan(self._tracer.start_span(name, context, _KINDS[kind], attributes))

    def close(self) -> None:
        self._provider.shutdown()


def _remote(trace: str) -> api.Span:
    """The span of a valid `traceparent`, which this process need not have recorded."""
    _, trace_id, span_id, flags = trace.split("-")
    context = api.SpanContext(int(trace_id, 16), int(span_id, 16), True, api.TraceFlags(int(flags, 16)))
    return api.NonRecordingSpan(context)
