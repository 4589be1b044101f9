"""The benchmarks' own arithmetic: a wrong percentile or verdict would be published."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from benchmarks.measure import Figure, conditions, cpu_seconds, p50_p99, percentile, resident_mib
from benchmarks.report import append, table


def test_percentiles_are_ranks_of_what_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0.99) == 100
    assert percentile(values, 0.5) == 51
    assert percentile([7.0], 0.99) == 7
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_durations_are_told_in_milliseconds_with_their_budgets() -> None:
    middle, high = p50_p99("wait", [0.010, 0.020, 0.300], p50=50, p99=250)
    assert (middle.value, high.value) == pytest.approx((20, 300))
    assert (middle.met, high.met) == (True, False)


@pytest.mark.parametrize(
    ("value", "limit", "at_least", "met"),
    [(1, None, False, None), (1, 1, False, True), (2, 1, False, False), (60, 50, True, True), (40, 50, True, False)],
)
def test_a_budget_is_a_ceiling_or_a_floor(value: float, limit: float | None, at_least: bool, met: bool | None) -> None:
    assert Figure("x", value, "s", limit, at_least).met is met


def test_cpu_time_is_what_the_kernel_charges_us() -> None:
    before, until = cpu_seconds(os.getpid()), time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert 0.05 <= cpu_seconds(os.getpid()) - before <= 5
    assert resident_mib(os.getpid()) > 5


def test_a_result_is_a_table_and_a_line_of_json(tmp_path: Path) -> None:
    figures = [Figure("rate", 1234.5, "/s", 1000, at_least=True), Figure("delay", 3.21, "ms", 1)]
    shown = table("relay", figures, conditions())
    assert "| rate " in shown
    assert ">= 1000" in shown
    assert "MISSED" in shown.splitlines()[-1]
    file = tmp_path / "results.jsonl"
    append(file, "relay", figures, conditions())
    append(file, "idle", figures, conditions())
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert (first["benchmark"], second["benchmark"]) == ("relay", "idle")
    assert [figure["met"] for figure in first["figures"]] == [True, False]
    assert len(first["load"]) == 3
