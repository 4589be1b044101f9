"""Formats results as a table, and as JSON lines for comparisons.

Rule: result files are only appended to; each line is a complete run of one benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure

_VERDICT = {True: "met", False: "MISSED", None: ""}


def table(name: str, figures: Sequence[Figure], conditions: Mapping[str, Any]) -> str:
    """The results of a benchmark as a Markdown table with aligned columns."""
    head = ("what", "value", "unit", "budget", "", "note")
    rows = [head] + [
        (figure.what, _number(figure.value), figure.unit, _budget(figure), _VERDICT[figure.met], figure.note)
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    load = " ".join(f"{value:g}" for value in conditions["load"])
    title = f"{name}: {conditions['date']}, load average {load} on {conditions['cores']} cores"
    return "\n".join([title, "", *lines, ""])


def append(file: Path, name: str, figures: Sequence[Figure], conditions: Mapping[str, Any]) -> None:
    """Append a JSON line to a result file."""
    line = {"benchmark": name, **conditions, "figures": [asdict(figure) | {"met": figure.met} for figure in figures]}
    with file.open("a") as output:
        output.write(json.dumps(line) + "\n")


def _budget(figure: Figure) -> str:
    if figure.limit is None:
        return ""
    return f"{'>=' if figure.at_least else '<='} {figure.limit:g}"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
