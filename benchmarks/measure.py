"""What is measured, and how: CPU time from the kernel, percentiles, the machine's load.

Rule: CPU time is taken from /proc, because on a shared machine wall time says as much about the neighbours as about
us. Every result carries the load average it was measured under.
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
    """One number of one benchmark.

    Args:
        what: the thing measured, in words.
        value: the number, in `unit`.
        limit: the budget, if there is one: `value` must be below it, or above it where `at_least`.
        note: what a reader must know to judge the number.
    """

    what: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the budget holds; None without one."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def _stat(pid: int) -> list[str]:
    # The command's name may hold spaces and brackets; what follows its last bracket is plain.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used so far, in user and kernel mode; its threads, not its children."""
    fields = _stat(pid)
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICK


def cpu_seconds_with_children(pid: int) -> float:
    """CPU time of a process, the children it has, and those it has waited for (PostgreSQL's backends)."""
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
    """Memory of a process that is in RAM now."""
    return int(_stat(pid)[_RSS]) * _PAGE / 2**20


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` 0.99 is the p99. Raises ValueError without values."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def p50_p99(what: str, seconds: Sequence[float], *, p50: float | None = None, p99: float | None = None) -> list[Figure]:
    """Two figures in milliseconds for a series of durations.

    Args:
        p50, p99: budgets in milliseconds.
    """
    count = f"n={len(seconds)}"
    return [
        Figure(f"{what}, p50", statistics.median(seconds) * 1000, "ms", p50, note=count),
        Figure(f"{what}, p99", percentile(seconds, 0.99) * 1000, "ms", p99, note=count),
    ]


def conditions() -> Mapping[str, Any]:
    """When and on what a benchmark runs."""
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
