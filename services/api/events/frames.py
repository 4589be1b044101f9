"""Server-sent events: the bytes of one event, and the lines between events.

Rule: `id` is the cursor to resume from. The data of an event is embedded as Postgres wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.events.catalog import PREFIX
from shared.events.envelope import attributes, with_data
from shared.events.reader import Cursor, LoggedEvent


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it is sent, and its position."""

    position: int
    text: bytes


def frame_of(event: LoggedEvent) -> Frame:
    cursor = str(event.cursor)
    data = with_data(attributes(event.row) | {"cursor": cursor}, event.row["data"])
    return Frame(event.position, f"id: {cursor}\nevent: {PREFIX}{event.type}\ndata: {data}\n\n".encode())


def greeting(retry_ms: int) -> bytes:
    """The start of a stream: after how many milliseconds a client should reconnect."""
    return f": jeroboam\nretry: {retry_ms}\n\n".encode()


def keep_alive(position: int | None) -> bytes:
    """A comment; with a position, also an `id` without data: clients store it and report no event."""
    bookmark = "" if position is None else f"id: {Cursor.at(position)}\n"
    return f": keep-alive\n{bookmark}\n".encode()
