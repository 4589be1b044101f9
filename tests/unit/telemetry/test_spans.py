"""Spans cost nothing unless the environment asks for them, and a fault of theirs stops nothing."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from structlog.testing import capture_logs

from sandbox.ports import free_port
from shared.bus.contract import Message
from shared.events.publishing import publishing
from shared.telemetry import spans
from shared.telemetry.spans import NOTHING, Kind, annotate, export_is_wanted, is_recording, recording_spans, span
from shared.telemetry.trace import current_trace, in_trace, new_trace, trace_id_of

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
WORKERS = ("provisioner", "scaler", "upgrader", "monitor", "notifier")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({ENDPOINT: " "}, False),
        ({ENDPOINT: "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({ENDPOINT: "http://c:4318", "OTEL_SDK_DISABLED": "True"}, False),
        ({ENDPOINT: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_turn_it_on(environment: dict[str, str], wanted: bool) -> None:
    assert export_is_wanted(environment) is wanted


def test_without_them_the_sdk_is_not_imported() -> None:
    """FastAPI imports OpenTelemetry's interface, which records nothing; the other processes do not even import that."""
    program = (
        "import asyncio, importlib, sys\n"
        "from shared.telemetry.spans import recording_spans\n"
        "async def main():\n"
        "    async with recording_spans('test'):\n"
        f"        for name in {WORKERS}: importlib.import_module(f'services.{{name}}.__main__')\n"
        "        found = [name for name in sys.modules if name.split('.')[0] == 'opentelemetry']\n"
        "        assert not found, found\n"
        "        importlib.import_module('services.api.app')\n"
        "        unwanted = ('opentelemetry.sdk', 'opentelemetry.exporter')\n"
        "        found = [name for name in sys.modules if name.startswith(unwanted)]\n"
        "        assert not found, found\n"
        "        print('nothing')\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, timeout=60)
    assert done.stdout == "nothing\n", done.stderr


async def test_without_them_blocks_run_in_the_trace_of_their_caller() -> None:
    async with recording_spans("test"):
        assert not is_recording()
        with in_trace(GIVEN), span("x", Kind.CLIENT) as found:
            annotate("a", 1)
            assert found is NOTHING
            assert current_trace() == GIVEN
        message = Message("1", "k", b"", {"traceparent": GIVEN})
        with publishing([message]) as messages:
            assert messages == [message]


async def test_spans_nest_and_messages_get_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(spans, "FLUSH_SECONDS", 0.3)
    began = time.monotonic()
    async with recording_spans("test"):
        assert is_recording()
        with in_trace(GIVEN), span("outer"):
            outer = current_trace()
            assert outer is not None
            assert outer != GIVEN
            assert trace_id_of(outer) == trace_id_of(GIVEN)
            with pytest.raises(ValueError), span("inner"):
                assert current_trace() != outer
                raise ValueError
            assert current_trace() == outer
        rows = [new_trace()[:-2] + "01", GIVEN]
        given = [Message(trace, "k", b"", {"traceparent": trace, "ce-traceparent": trace}) for trace in rows]
        with in_trace(new_trace()), publishing([*given, Message("none", "k", b"")]) as messages:
            sent = [message.headers.get("traceparent", "") for message in messages]
        assert sent[2] == ""
        assert [trace_id_of(trace) for trace in sent[:2]] == [trace_id_of(trace) for trace in rows]
        assert not set(sent) & set(rows)
        assert [message.headers["ce-traceparent"] for message in messages[:2]] == rows
    assert not is_recording()
    assert time.monotonic() - began < 5, "a collector that is away delays the end"


async def test_what_cannot_be_recorded_is_logged_and_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with capture_logs() as lines:
        async with recording_spans("test"):
            assert not is_recording()
            with span("x") as found:
                assert found is NOTHING
    assert [line["event"] for line in lines] == ["tracing.unavailable"]
    assert "http/protobuf" in lines[0]["error"]
