"""What is taken for a notification, and what a stranger on the bus could send instead."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shared.bus.oslo import MAX_BYTES, MAX_DEPTH, Notification, clean, encode, parse

INNER = {"message_id": "m1", "event_type": "port.delete.end", "payload": {"port_id": "p"}, "priority": "INFO"}


def enveloped(**changes: Any) -> bytes:
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(INNER | changes)}).encode()


def test_the_envelope_and_the_bare_message_are_the_same_notification() -> None:
    wanted = Notification("m1", "port.delete.end", {"port_id": "p"})
    assert parse(enveloped()) == wanted
    assert parse(json.dumps(INNER).encode()) == wanted


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return {"x": value}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff", b"[]", b"{}", b'{"oslo.message": 3}', b'{"oslo.message": "{}"}', b'"x"', b"null"),
        b'{"oslo.message": ' + b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        json.dumps({"oslo.message": "[" * 100_000}).encode(),
        json.dumps(INNER | {"payload": nested(MAX_DEPTH)}).encode(),
        enveloped(payload=nested(MAX_DEPTH)),
        enveloped(payload=[1]),
        enveloped(message_id=None),
        enveloped(message_id=""),
        enveloped(message_id="x" * 256),
        enveloped(event_type={"a": 1}),
        enveloped(payload={"x": "y" * MAX_BYTES}),
        b'{"message_id": "m", "event_type": "e", "payload": {"n": ' + b"9" * 5000 + b"}}",
    ],
)
def test_what_is_no_notification_or_too_much_is_none(body: bytes) -> None:
    assert parse(body) is None


def test_brackets_in_texts_are_not_depth() -> None:
    assert parse(enveloped(payload={"reason": "[{" * 5000 + '\\"' + "[" * 100})) is not None
    assert parse(enveloped(payload={"many": [{} for _ in range(1000)]})) is not None


def test_texts_are_cut_and_storable() -> None:
    assert clean("a\0b\ud800c", 10) == "ab?c"
    assert clean("x" * 20, 10) == "x" * 10
    assert clean(None, 10) == clean(7, 10) == ""


def test_a_notification_is_written_as_it_is_read() -> None:
    moment = datetime(2026, 1, 2, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=1)))
    body = encode("a.b", {"k": [1]}, message_id="0-1", publisher_id="svc.host", level="error", moment=moment)
    assert parse(body) == Notification("0-1", "a.b", {"k": [1]})
    outer = json.loads(body)
    assert outer["oslo.version"] == "2.0"
    inner = json.loads(outer["oslo.message"])
    assert inner["priority"] == "ERROR"
    assert inner["publisher_id"] == "svc.host"
    assert inner["timestamp"] == "2026-01-02 03:05:06.000007"
    assert datetime.fromisoformat(inner["timestamp"]).replace(tzinfo=UTC) == moment
    assert inner["_unique_id"] == "01"
