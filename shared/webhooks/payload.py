"""The body of a delivery, from a row of the event log.

Rule: the same event and format always give the same bytes, so that retries are identical.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.events.envelope import attributes, with_data

CONTENT_TYPES = {"structured": "application/cloudevents+json", "plain": "application/json"}
_VERSION = re.compile(r"\.v[0-9]+\Z")


def body(row: Mapping[str, Any], fmt: str) -> bytes:
    """The body for an event.

    Args:
        row: columns of `events`, with `data` as text.
        fmt: `structured` for a CloudEvent in JSON, `plain` for the payload that Standard Webhooks recommends.
    """
    if fmt == "structured":
        return with_data(attributes(row), row["data"]).encode()
    time: datetime = row["time"]
    head = {
        "type": _VERSION.sub("", row["type"]),
        "timestamp": time.isoformat(),
        "project_id": row["project_id"],
        "cluster_id": row["cluster_id"],
        "operation_id": row["operation_id"],
        "sequence": row["sequence"],
    }
    return with_data(head, row["data"]).encode()
