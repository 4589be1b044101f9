"""Output: tables for people, JSON for programs, plain lines if the terminal supports nothing else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table

# Width for files and pipes, which have none; wide enough for a row of `cluster list`.
PLAIN_WIDTH = 140
_FEW = 5


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


def console() -> Console:
    """A console that uses terminal control sequences only on a terminal."""
    return Console(highlight=False, width=None if is_live() else PLAIN_WIDTH)


def is_live() -> bool:
    """Whether the output can be redrawn: it is a terminal and not a dumb one."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], fmt: Format) -> None:
    """Print a list as a table of `columns`, or with all fields as JSON."""
    if fmt is Format.JSON:
        print(json.dumps(list(rows), indent=2))
        return
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(text(row.get(column)) for column in columns))
    console().print(table)


def show_one(thing: Mapping[str, Any], fmt: Format, fields: Sequence[str] | None = None) -> None:
    """Print one object as fields and values, or as JSON."""
    if fmt is Format.JSON:
        print(json.dumps(dict(thing), indent=2))
        return
    table = Table("field", "value")
    for field in fields or sorted(thing):
        if field != "links":
            table.add_row(field, text(thing.get(field)))
    console().print(table)


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
