"""The benchmark of webhooks at a size of nothing: it runs, and what it says hangs together."""

from __future__ import annotations

from benchmarks import webhooks


async def test_everything_is_delivered(database_url: str) -> None:
    found = await webhooks.measure(database_url, webhooks=3, events=20, rounds=1)
    figures = {figure.what: figure for figure in found}
    assert figures["deliveries"].value > 0
    share = figures["deliveries per second of the notifier's CPU"]
    assert share.value > figures["deliveries"].value / 2
    assert share.met is not None
