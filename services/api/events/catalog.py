"""The event types as the API shows them."""

from __future__ import annotations

from typing import Any

from shared.events.catalog import CATALOG


def event_types() -> list[dict[str, Any]]:
    """All event types with the JSON Schemas of their data."""
    return [
        {
            "type": entry.cloudevents_type,
            "name": entry.name,
            "summary": entry.summary,
            "schema": entry.data.model_json_schema(),
        }
        for entry in CATALOG.values()
    ]
