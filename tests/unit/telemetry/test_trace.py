"""Traces are read as W3C Trace Context says, and the present one is known to whoever works in it."""

from __future__ import annotations

import asyncio

import pytest

from shared.telemetry.trace import (
    add_trace_id,
    current_trace,
    in_trace,
    new_trace,
    parse_trace,
    trace_for,
    trace_of_headers,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (GIVEN, GIVEN),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-03"),
        (f"cc-{TRACE}-{SPAN}-01", GIVEN),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", GIVEN),
    ],
)
def test_what_is_valid_is_passed_on_in_version_00(value: str, expected: str) -> None:
    assert parse_trace(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        GIVEN + "-",
        GIVEN + "-more",
        GIVEN + "\n",
        " " + GIVEN,
        GIVEN[:-1],
        GIVEN.upper(),
        GIVEN.replace("-", "_"),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.what",
        f"cc-{TRACE}-{SPAN}-01-" + "x" * 500,
        f"00-{TRACE}-{SPAN}-0\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_what_is_not_valid_is_ignored(value: str | None) -> None:
    assert parse_trace(value) is None


def test_a_request_with_two_traces_has_none() -> None:
    header = (b"traceparent", GIVEN.encode())
    assert trace_of_headers([(b"accept", b"*/*"), header]) == GIVEN
    assert trace_of_headers([header, header]) is None
    assert trace_of_headers([(b"traceparent", b"\xff\xfe")]) is None


def test_new_traces_are_valid_and_differ() -> None:
    made = {new_trace() for _ in range(50)}
    assert len(made) == 50
    assert all(parse_trace(trace) == trace for trace in made)


def test_what_belongs_to_a_trace_is_recorded_in_it() -> None:
    nearer, other = f"00-{TRACE}-{'1' * 16}-01", new_trace()
    assert trace_for(GIVEN) == GIVEN
    with in_trace(nearer):
        assert trace_for(None) == trace_for(GIVEN) == nearer
        assert trace_for(other) == other


async def test_tasks_keep_the_trace_in_which_they_were_made() -> None:
    async def present() -> str | None:
        await asyncio.sleep(0)
        return current_trace()

    with in_trace(GIVEN):
        task = asyncio.create_task(present())
        with in_trace(None):
            assert current_trace() is None
    assert await task == GIVEN
    assert current_trace() is None


def test_lines_have_the_trace_id() -> None:
    with in_trace(GIVEN):
        assert add_trace_id(None, "info", {"event": "x"}) == {"event": "x", "trace_id": TRACE}
    assert add_trace_id(None, "info", {"event": "x"}) == {"event": "x"}
