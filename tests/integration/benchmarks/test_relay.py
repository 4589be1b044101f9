"""The relay's benchmark at a size of nothing: it runs, and what it says hangs together."""

from __future__ import annotations

import pytest

from benchmarks import relay
from sandbox.rabbitmq import RabbitServer


async def test_both_sides_publish_everything(database_url: str, rabbit: RabbitServer) -> None:
    figures = {figure.what: figure for figure in await relay.measure(database_url, rabbit.url, events=50, rounds=1)}
    ours, bare = figures["relay: committed -> confirmed"], figures["bare aio-pika, 100 in flight"]
    assert ours.value > 0
    assert figures["share"].value == pytest.approx(ours.value / bare.value * 100)
    assert figures["share"].met is not None
