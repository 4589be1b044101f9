"""Spans of statements within the span of the request or step that they belong to.

Rule: a statement outside a span is not recorded, because processes ask the database all the time. Statements have their
parameters apart, so that their texts contain no values.

Source: OpenTelemetry's semantic conventions of database client spans, and of PostgreSQL's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from shared.telemetry.spans import NOTHING, Kind, Span, Value, begin_span, is_within, span
from shared.telemetry.trace import current_trace

MOST_TEXT = 2000
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|TABLE)\s+(?:ONLY\s+)?\"?([a-z_][a-z0-9_]*)", re.IGNORECASE)
_VERB = re.compile(r"[a-z]+", re.IGNORECASE)


def statement_span(sql: str) -> AbstractContextManager[object]:
    """A span around a block that executes one statement."""
    return span(*_described(sql)) if is_within() else nullcontext()


def record_statements(engine: Engine) -> None:
    """Record the statements of an engine's connections."""
    event.listen(engine, "before_cursor_execute", _begin)
    event.listen(engine, "after_cursor_execute", _end)
    event.listen(engine, "handle_error", _fail)


@lru_cache(maxsize=512)
def summary(sql: str) -> str:
    """A short name of a statement: its verb and its first table."""
    verb, table = _VERB.search(sql), _TABLE.search(sql)
    return " ".join([verb[0].upper() if verb else "statement", *([table[1]] if table else [])])


def _described(sql: str) -> tuple[str, Kind, Mapping[str, Value]]:
    name = summary(sql)
    text = sql.strip()[:MOST_TEXT]
    return name, Kind.CLIENT, {"db.system.name": "postgresql", "db.query.summary": name, "db.query.text": text}


def _begin(_connection: Any, _cursor: Any, sql: str, _parameters: Any, context: Any, _many: bool) -> None:
    context.jeroboam_span = begin_span(*_described(sql), current_trace()) if is_within() else NOTHING


def _end(_connection: Any, _cursor: Any, _sql: str, _parameters: Any, context: Any, _many: bool) -> None:
    context.jeroboam_span.end()


def _fail(error: ExceptionContext) -> None:
    found: Span = getattr(error.execution_context, "jeroboam_span", NOTHING)
    found.fail(type(error.original_exception).__name__)
    found.end()
