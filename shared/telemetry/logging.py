"""Structured logs: one line of JSON per event (or a readable line in a terminal), with IDs from the context.

Rule: code that handles a request binds `request_id`, code that runs an operation binds `operation`; both work in a
trace, whose `trace_id` is added. Secrets are not logged; as a safeguard, values of keys that look like secrets are
masked. Lines of one kind are limited (`quiet`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from shared.telemetry.quiet import LineLimit
from shared.telemetry.trace import add_trace_id

_SECRET_WORDS = ("password", "secret", "token", "credential", "private", "authorization")


def _mask(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS) and event[key]:
            event[key] = "***"
    return event


def configure_logging(service: str, *, level: str = "info", fmt: str = "json", burst: int = 20) -> None:
    """Configure structlog, and route the standard library's warnings to it.

    Args:
        service: name of the service, which every line contains.
        fmt: `json` or `console`.
        burst: lines of one kind that are logged at once; after them, one a second.
    """
    limit = LineLimit(burst)
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_trace_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask,
        structlog.processors.format_exc_info,
    ]
    renderer = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if fmt == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[limit, *processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    formatter = structlog.stdlib.ProcessorFormatter(
        processor=renderer,
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(limit)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
