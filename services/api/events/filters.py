"""Parses the query of a request for events: filters and the place to begin.

Rule: type patterns and outcomes are those of webhooks (`shared.webhooks.filters`). Both select names of the catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from services.api.context import RequestContext
from services.api.wire.errors import invalid_field
from services.api.wire.identifiers import as_uuid
from shared.events.catalog import CATALOG
from shared.events.reader import Cursor, Selection
from shared.webhooks.filters import MAX_PATTERNS, OUTCOMES, matches, outcome_of, parse_pattern

PARAMETERS = ("after", "cluster", "type", "outcome", "since", "until")
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Args: after: where to begin; None for the oldest event that is kept, LATEST for events from now on."""

    selection: Selection
    after: Cursor | str | None


def read_wanted(query: Mapping[str, str], context: RequestContext, *, last_event_id: str | None = None) -> Wanted:
    """Parse the filters of a request.

    Args:
        query: `after` (cursor or `latest`), `cluster` (UUID), `type` (patterns, comma-separated), `outcome`
            (comma-separated), `since` and `until` (ISO 8601; UTC if it has no offset).
        last_event_id: SSE's header; it takes precedence over `after`.

    Raises:
        ApiError: 400, with the name of the parameter.
    """
    cluster = query.get("cluster")
    if cluster is not None and as_uuid(cluster) is None:
        raise invalid_field("cluster", cluster, "Value should be the UUID of a cluster")
    selection = Selection(
        project_id=context.scope_project,
        cluster_id=as_uuid(cluster) if cluster else None,
        types=_types(query.get("type"), query.get("outcome")),
        since=_time("since", query.get("since")),
        until=_time("until", query.get("until")),
    )
    return Wanted(selection, _after(last_event_id or query.get("after")))


def _after(text: str | None) -> Cursor | str | None:
    if not text or text == LATEST:
        return text or None
    try:
        return Cursor.parse(text)
    except ValueError:
        raise invalid_field("after", text, "Value should be the cursor of an earlier response, or latest") from None


def _types(patterns: str | None, outcomes: str | None) -> frozenset[str] | None:
    if patterns is None and outcomes is None:
        return None
    names = list(CATALOG)
    if patterns is not None:
        parts = patterns.split(",")
        if len(parts) > MAX_PATTERNS:
            raise invalid_field("type", patterns, f"Value should be at most {MAX_PATTERNS} types")
        try:
            wanted = [parse_pattern(part) for part in parts]
        except ValueError as error:
            raise invalid_field("type", patterns, f"Each type {error}") from None
        names = [name for name in names if any(matches(pattern, name) for pattern in wanted)]
    if outcomes is not None:
        chosen = {part.strip() for part in outcomes.split(",")}
        if not chosen <= set(OUTCOMES):
            raise invalid_field("outcome", outcomes, f"Value should be among {', '.join(OUTCOMES)}")
        names = [name for name in names if outcome_of(name) in chosen]
    return frozenset(names)


def _time(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # A plus sign that was not quoted arrives as a space.
        time = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise invalid_field(name, text, "Value should be a time in ISO 8601, e.g. 2026-01-31T12:00:00Z") from None
