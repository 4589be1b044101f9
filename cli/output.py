"""Output: tables for people, JSON for programs, plain lines if the terminal supports nothing else.

Rule: an ID is always on one line, so that it can be copied and found with grep. On a terminal, other columns are folded
to its width; files and pipes have no width, and a row is one line.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

_FEW = 5
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")
_NARROWEST = 8  # characters that a folded column keeps
_LONGEST = 100_000  # characters of a line of a file or pipe


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


def console(*, narrowest: int = 0) -> Console:
    """A console that uses terminal control sequences only on a terminal.

    Args:
        narrowest: characters that the output needs; a terminal with fewer breaks the lines itself.
    """
    if not is_terminal():
        return Console(highlight=False, width=_LONGEST)
    terminal = Console(highlight=False)
    return terminal if terminal.width >= narrowest else Console(highlight=False, soft_wrap=True, width=narrowest)


def is_terminal() -> bool:
    return sys.stdout.isatty()


def is_live() -> bool:
    """Whether the output can be redrawn: it is a terminal and not a dumb one."""
    return is_terminal() and os.environ.get("TERM", "dumb") != "dumb"


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], fmt: Format) -> None:
    """Print a list as a table of `columns`, or with all fields as JSON."""
    if fmt is Format.JSON:
        print(json.dumps(list(rows), indent=2))
        return
    _print_table(columns, [[text(row.get(column)) for column in columns] for row in rows])


def show_one(thing: Mapping[str, Any], fmt: Format, fields: Sequence[str] | None = None) -> None:
    """Print one object as fields and values, or as JSON."""
    if fmt is Format.JSON:
        print(json.dumps(dict(thing), indent=2))
        return
    shown = [field for field in fields or sorted(thing) if field != "links"]
    _print_table(("field", "value"), [[field, text(thing.get(field))] for field in shown])


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose IDs are never broken."""
    table = Table(box=box.HEAVY_HEAD if is_terminal() else box.ASCII2)
    narrowest = 1
    for number, column in enumerate(columns):
        ids = [len(row[number]) for row in rows if _ID.fullmatch(row[number])]
        least = max(ids) if ids else min(_NARROWEST, max([len(column), *(len(row[number]) for row in rows)]))
        table.add_column(column, overflow="fold", min_width=least)
        narrowest += least + 3
    for row in rows:
        table.add_row(*row)
    console(narrowest=narrowest).print(table)


def text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping | list):
        return json.dumps(value)
    return str(value)


def few(items: Sequence[Any]) -> str:
    """The first five items, and the number of the others."""
    more = f" and {len(items) - _FEW} more" if len(items) > _FEW else ""
    return ", ".join(str(item) for item in items[:_FEW]) + more
