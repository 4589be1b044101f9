"""Converts rows of the event log to messages on the bus and back: CloudEvents 1.0 in binary mode.

Rule: `message_id` is always the event's ID, so that consumers can recognize duplicates.
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


def to_message(row: Mapping[str, Any]) -> Message:
    """Build the message for one row of `events`."""
    time: datetime = row["time"]
    headers = {
        "ce-specversion": "1.0",
        "ce-id": row["id"],
        "ce-type": PREFIX + row["type"],
        "ce-source": "/jeroboam",
        "ce-subject": row["subject"],
        "ce-time": time.isoformat(),
        "ce-projectid": row["project_id"],
    }
    optional = {
        "ce-clusterid": row["cluster_id"],
        "ce-operationid": row["operation_id"],
        "ce-sequence": None if row["sequence"] is None else str(row["sequence"]),
        "ce-traceparent": row["trace"],
    }
    headers.update({key: value for key, value in optional.items() if value is not None})
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
