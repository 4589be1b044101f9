"""The pool of threads: what a call may cost, and what comes out of it."""

from __future__ import annotations

import threading

import pytest
from keystoneauth1 import exceptions as ka

from shared.cloud.calls import Calls
from shared.cloud.rest import looks_like_id, only, segment
from shared.domain.errors import NotFound, PermanentError, TemporaryError
from shared.telemetry.metrics import CLOUD_CALLS_ACTIVE


async def test_a_result_and_a_translated_error() -> None:
    calls = Calls(threads=2, timeout=30)
    assert await calls.run("add", lambda: CLOUD_CALLS_ACTIVE._value.get()) == 1
    assert CLOUD_CALLS_ACTIVE._value.get() == 0

    def fail() -> None:
        raise ka.ConnectFailure("refused")

    with pytest.raises(TemporaryError, match="list things: refused"):
        await calls.run("list things", fail)

    def bug() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        await calls.run("list things", bug)
    await calls.close()


async def test_a_call_that_hangs_ends_for_us_and_does_not_hold_the_next() -> None:
    calls = Calls(threads=2, timeout=0.05)
    release = threading.Event()
    with pytest.raises(TemporaryError, match="no answer within"):
        await calls.run("hang", release.wait)
    assert await calls.run("quick", lambda: "done") == "done"
    release.set()
    await calls.close()


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_path_cannot_be_left(value: str) -> None:
    with pytest.raises(NotFound):
        segment(value)


def test_a_segment_is_one_segment() -> None:
    assert segment("a/b?c#d e") == "a%2Fb%3Fc%23d%20e"


def test_names_and_ids() -> None:
    assert looks_like_id("90b1f38418804a96b1a4f173f8343cbf")
    assert not looks_like_id("m1.small")
    assert only([], kind="image", name="x") is None
    with pytest.raises(PermanentError, match="2 images are named 'x'"):
        only([{"id": 1}, {"id": 2}], kind="image", name="x")
