"""The benchmark of streams at a size of nothing: it runs, and nothing is cut."""

from __future__ import annotations

from benchmarks import streams


async def test_every_stream_gets_every_event() -> None:
    measured = await streams.run(streams=20, events=2, idle_seconds=1, stalled=2)
    figures = {figure.what: figure for figure in measured}
    assert figures["other streams that were cut"].met
    assert figures["API with 20 streams"].met
    assert figures["committed -> arrived, p50"].note == "n=40"
