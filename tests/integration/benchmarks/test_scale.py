"""The benchmark of sizes: it runs with an engine that is not the usual one, and leaves out what is too large."""

from __future__ import annotations

import pytest

from benchmarks import scale


async def test_sizes_above_the_limit_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "SIZES", ((2, 2), (9, 9)))
    found = {figure.what: figure for figure in await scale.run(engine="swarm", most=10)}
    assert list(found) == [f"2 nodes x 2 clusters: all {what}" for what in ("CREATE_COMPLETE", "deleted")]
    assert all(figure.value > 0 for figure in found.values())


async def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(ValueError, match="'nomad' is none of kubernetes, swarm, mesos, dcos"):
        await scale.run(engine="nomad")
