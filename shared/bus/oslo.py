"""The form of OpenStack's notifications (oslo.messaging, envelope 2.0), read and written. Pure.

Rule: what comes from the bus is not trusted. Size, depth and the length of every text that is used have limits, and
anything that is not a notification is None, never an exception.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

VERSION = "2.0"
# Nova's largest notifications are some 20 KB.
MAX_BYTES = 512 * 1024
MAX_DEPTH = 40
MAX_NAME = 255
INFO, ERROR = "info", "error"

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification: `id` is oslo.messaging's message ID."""

    id: str
    event_type: str
    payload: Mapping[str, Any]


def parse(body: bytes) -> Notification | None:
    """Parse oslo.messaging's envelope (2.0) or a plain message; None for anything else, or beyond a limit."""
    if len(body) > MAX_BYTES:
        return None
    try:
        message = _load(body.decode())
        if isinstance(message, dict) and "oslo.message" in message:
            message = _load(message["oslo.message"])
        payload = message["payload"]
        names = (message["message_id"], message["event_type"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(payload, dict) or not all(isinstance(name, str) and 0 < len(name) <= MAX_NAME for name in names):
        return None
    return Notification(clean(names[0], MAX_NAME), names[1], payload)


def clean(value: object, limit: int) -> str:
    """A text as it can be stored: at most `limit` characters, without those that PostgreSQL refuses. "" for others."""
    if not isinstance(value, str):
        return ""
    return value[:limit].replace("\0", "").encode("utf-8", "replace").decode()


def encode(
    event_type: str, payload: Mapping[str, Any], *, message_id: str, publisher_id: str, level: str, moment: datetime
) -> bytes:
    """The body of a notification.

    Args:
        message_id: identifies the notification; its repetition has the same, so that listeners recognise it.
        publisher_id: service and host, e.g. `container-infra.controller-1`.
        level: INFO or ERROR.
        moment: when it happened.
    """
    message = {
        "message_id": message_id,
        "publisher_id": publisher_id,
        "event_type": event_type,
        "priority": level.upper(),
        "payload": payload,
        "timestamp": moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "_unique_id": message_id.replace("-", ""),
    }
    return json.dumps({"oslo.version": VERSION, "oslo.message": json.dumps(message)}).encode()


def _load(text: object) -> Any:
    if not isinstance(text, str) or _is_deep(text):
        raise ValueError("not a text, or nested too deeply")
    return json.loads(text)


def _is_deep(text: str) -> bool:
    """Whether arrays and objects are nested deeper than MAX_DEPTH. Few brackets cannot be, which is quick to see."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _TOKENS.finditer(text):
        first = token[0][0]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif first in "]}":
            depth -= 1
    return False
