"""The list of event types as a Markdown page, generated from the event catalog."""

from __future__ import annotations

from typing import Any

from scripts.api_reference import one_line, type_text
from shared.events.catalog import CATALOG, EventData

Schema = dict[str, Any]

INTRODUCTION = """# Event types

This page is generated from the event catalog (`shared/events/catalog.py`). The CloudEvents type is the name below with
the prefix `io.jeroboam.`; the name is also the routing key on the bus. [Events](events.md) describes how to read them.

*Mandatory* events are requests: the relay publishes them with the `mandatory` flag, so an event that no queue accepts
stays unpublished and is reported.
"""


def event_types() -> str:
    """Return the list of event types, with one table of fields per data class."""
    parts = [INTRODUCTION, "| name | data | mandatory | summary |\n| --- | --- | --- | --- |"]
    for entry in CATALOG.values():
        data = entry.data.__name__
        mandatory = "yes" if entry.mandatory else "no"
        parts.append(f"| `{entry.name}` | [{data}](#data-{data.lower()}) | {mandatory} | {one_line(entry.summary)} |")
    parts.append("\n## Data\n")
    for data_type in dict.fromkeys(entry.data for entry in CATALOG.values()):
        parts.append(_event_data(data_type))
    return "\n".join(parts)


def _event_data(data: type[EventData]) -> str:
    name = data.__name__
    rows = ["| field | type | required | description |", "| --- | --- | --- | --- |"]
    schema = data.model_json_schema()
    for field, described in schema["properties"].items():
        inner = _resolve(described, schema.get("$defs", {}))
        required = "yes" if field in schema.get("required", []) else "no"
        rows.append(f"| `{field}` | {type_text(inner)} | {required} | {one_line(described.get('description', ''))} |")
    table = "\n".join(rows)
    return f"### {name} {{: #data-{name.lower()} }}\n\n{table}\n"


def _resolve(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" in schema:
        return definitions[schema["$ref"].rsplit("/", 1)[1]]
    return schema
