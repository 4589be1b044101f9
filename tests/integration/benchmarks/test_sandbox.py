"""The benchmarks on a sandbox, at the smallest size: they run to the end and their figures are possible."""

from __future__ import annotations

import pytest

from benchmarks import accepted_to_heat, api, posts
from benchmarks.measure import Figure
from sandbox.run import running_sandbox
from tests.support import warm


def _by_name(figures: list[Figure]) -> dict[str, Figure]:
    found = {figure.what: figure for figure in figures}
    assert len(found) == len(figures), "two figures of one name"
    assert all(figure.value > -1 for figure in figures), figures
    return found


async def test_the_smallest_run() -> None:
    async with running_sandbox(extra_environment=api.NO_LIMIT, durable=False, launch=warm.launch) as sandbox:
        heat = _by_name(await accepted_to_heat.measure(sandbox, creates=1))
        served = _by_name(await api.measure(sandbox, seconds=0.2, rounds=1, connections=2, clusters=2))
        posted = _by_name(await posts.measure(sandbox, "warm cache", clusters=60, rounds=1, connections=2))
    stored, received = (heat[f"{what} -> Heat's first POST, p50"] for what in ("operation stored", "202 received"))
    assert received.value < stored.value < 60_000
    assert stored.limit == accepted_to_heat.BUDGET_MS
    one = served["GET one, api: CPU"].value / served["GET one, ceiling: CPU"].value
    assert served["GET one: CPU, api / ceiling"].value == pytest.approx(one)
    assert served["POST cluster, one at a time, p50"].value > 0
    assert posted["POST cluster, warm cache: requests to the cloud"].value < 6
    assert posted["POST cluster, warm cache: CPU of the API"].value > 0
