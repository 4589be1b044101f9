"""Converts rows of the event log to CloudEvents 1.0: JSON for HTTP, messages in binary mode for the bus, and back.

Rule: `message_id` is always the event's ID, so that consumers can recognize duplicates. Data is embedded as Postgres
wrote it and never decoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from shared.bus.contract import Message
from shared.events.catalog import CATALOG, PREFIX, EventData
from shared.telemetry.trace import HEADER

SOURCE = "/jeroboam"


class MalformedEvent(ValueError):
    """A message that is not an event of the catalog. Retrying does not help."""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event as received by a consumer."""

    id: str
    name: str
    project_id: str
    cluster_id: str | None
    operation_id: str | None
    sequence: int | None
    data: EventData


def attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an event for JSON; those that do not apply are None."""
    time: datetime = row["time"]
    return {
        "specversion": "1.0",
        "id": row["id"],
        "source": SOURCE,
        "type": PREFIX + row["type"],
        "subject": row["subject"],
        "time": time.isoformat(),
        "projectid": row["project_id"],
        "clusterid": row["cluster_id"],
        "operationid": row["operation_id"],
        "sequence": None if row["sequence"] is None else str(row["sequence"]),
        "traceparent": row["trace"],
        "datacontenttype": "application/json",
    }


def with_data(head: Mapping[str, Any], data: str) -> str:
    """A JSON object of the members of `head` that are not None, and `data`, which is JSON already."""
    text = json.dumps({name: value for name, value in head.items() if value is not None})
    return f'{text[:-1]}, "data": {data}}}'


def to_message(row: Mapping[str, Any]) -> Message:
    """Build the message for one row of `events`."""
    head = attributes(row)
    del head["datacontenttype"]
    headers = {f"ce-{name}": value for name, value in head.items() if value is not None}
    # The context of the transport is the event's own, not the relay's, so that consumers continue the event's trace.
    if row["trace"] is not None:
        headers[HEADER] = row["trace"]
    data = row["data"]
    return Message(
        id=row["id"],
        routing_key=row["type"],
        body=(data if isinstance(data, str) else json.dumps(data)).encode(),
        headers=headers,
        mandatory=CATALOG[row["type"]].mandatory if row["type"] in CATALOG else False,
    )


def from_message(message: Message) -> ReceivedEvent:
    """Parse a message.

    Raises:
        MalformedEvent: the type is unknown, or the data does not match its schema.
    """
    entry = CATALOG.get(message.headers.get("ce-type", "").removeprefix(PREFIX))
    if entry is None:
        raise MalformedEvent(f"unknown event type {message.headers.get('ce-type')!r}")
    try:
        data = entry.data.model_validate_json(message.body)
        sequence = message.headers.get("ce-sequence")
        return ReceivedEvent(
            id=message.id,
            name=entry.name,
            project_id=message.headers["ce-projectid"],
            cluster_id=message.headers.get("ce-clusterid"),
            operation_id=message.headers.get("ce-operationid"),
            sequence=int(sequence) if sequence else None,
            data=data,
        )
    except (ValidationError, KeyError, ValueError) as error:
        raise MalformedEvent(f"{entry.name}: {error}") from error
