"""The body of a delivery, from a row of the event log.

Rule: the same event and format always give the same bytes, so that retries are identical. The data is embedded as
Postgres wrote it and is never decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.events.catalog import PREFIX

CONTENT_TYPES = {"structured": "application/cloudevents+json", "plain": "application/json"}
_VERSION = re.compile(r"\.v[0-9]+\Z")


def body(row: Mapping[str, Any], fmt: str) -> bytes:
    """The body for an event.

    Args:
        row: columns of `events`, with `data` as text.
        fmt: `structured` for a CloudEvent in JSON, `plain` for the payload that Standard Webhooks recommends.
    """
    time: datetime = row["time"]
    if fmt == "structured":
        head: dict[str, Any] = {
            "specversion": "1.0",
            "id": row["id"],
            "source": "/jeroboam",
            "type": PREFIX + row["type"],
            "subject": row["subject"],
            "time": time.isoformat(),
            "projectid": row["project_id"],
            "clusterid": row["cluster_id"],
            "operationid": row["operation_id"],
            "sequence": None if row["sequence"] is None else str(row["sequence"]),
            "datacontenttype": "application/json",
        }
    else:
        head = {
            "type": _VERSION.sub("", row["type"]),
            "timestamp": time.isoformat(),
            "project_id": row["project_id"],
            "cluster_id": row["cluster_id"],
            "operation_id": row["operation_id"],
            "sequence": row["sequence"],
        }
    text = json.dumps({name: value for name, value in head.items() if value is not None})
    return f'{text[:-1]}, "data": {row["data"]}}}'.encode()
