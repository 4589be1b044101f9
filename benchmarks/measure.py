"""Measurements: CPU time from the kernel, percentiles, the machine's load.

Rule: CPU time is read from /proc, because wall time depends on other load on the machine. Every result contains the
load average during the measurement.
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UTIME, _STIME, _CUTIME, _CSTIME, _PARENT, _RSS = 11, 12, 13, 14, 1, 21


@dataclass(frozen=True, slots=True)
class Figure:
    """A result of a benchmark.

    Args:
        what: description of the measurement.
        value: the result, in `unit`.
        limit: the budget, if any: `value` must not exceed it, or with `at_least` not fall below it.
        note: additional information.
    """

    what: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the budget is met; None without a budget."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def _stat(pid: int) -> list[str]:
    # The command's name can contain spaces and parentheses; the fields after its last parenthesis cannot.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process in user and kernel mode, including its threads but not its children."""
    fields = _stat(pid)
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICK


def cpu_seconds_with_children(pid: int) -> float:
    """CPU time of a process, its children, and the children that it has waited for (PostgreSQL's backends)."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = _stat(int(entry.name))
        except OSError:
            continue
        if int(entry.name) == pid:
            total += sum(int(fields[index]) for index in (_UTIME, _STIME, _CUTIME, _CSTIME)) / _TICK
        elif int(fields[_PARENT]) == pid:
            total += (int(fields[_UTIME]) + int(fields[_STIME])) / _TICK
    return total


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    return int(_stat(pid)[_RSS]) * _PAGE / 2**20


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` 0.99 is the p99. Raises ValueError without values."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def p50_p99(what: str, seconds: Sequence[float], *, p50: float | None = None, p99: float | None = None) -> list[Figure]:
    """Median and 99th percentile of a series of durations, in milliseconds.

    Args:
        p50, p99: budgets in milliseconds.
    """
    count = f"n={len(seconds)}"
    return [
        Figure(f"{what}, p50", statistics.median(seconds) * 1000, "ms", p50, note=count),
        Figure(f"{what}, p99", percentile(seconds, 0.99) * 1000, "ms", p99, note=count),
    ]


def conditions() -> Mapping[str, Any]:
    """Date and machine of a benchmark run."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load": [round(value, 2) for value in os.getloadavg()],
    }
