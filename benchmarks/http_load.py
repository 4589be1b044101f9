"""A small HTTP/1.1 load generator: keep-alive connections, one request at a time on each.

Rule: its own cost is not counted, because the results are the server's CPU time and latency. Requests are prepared as
bytes to minimize the overhead.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_HEADER_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
RequestMaker = Callable[[int], bytes]


@dataclass(slots=True)
class Load:
    """The results: seconds per response, and the number of responses per status."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    wall: float = 0.0

    @property
    def rate(self) -> float:
        """Responses per second."""
        return len(self.seconds) / self.wall


def request_bytes(
    method: str, path: str, headers: dict[str, str] | None = None, body: dict[str, Any] | None = None
) -> bytes:
    """The bytes of an HTTP request."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines.append("Content-Type: application/json")
    return "\r\n".join(lines).encode() + _HEADER_END + content


class _Connection(asyncio.Protocol):
    def __init__(self, load: Load, make: RequestMaker, go_on: Callable[[], bool]) -> None:
        self._load = load
        self._make = make
        self._go_on = go_on
        self._buffer = b""
        self._asked = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        if not self._go_on():
            self._transport.close()
            return
        self._asked = time.perf_counter()
        self._transport.write(self._make(len(self._load.seconds)))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_HEADER_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + len(_HEADER_END) + length:
            return
        status = int(self._buffer[9:12])
        self._buffer = b""
        self._load.seconds.append(time.perf_counter() - self._asked)
        self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is not None or self._go_on():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))
        else:
            self.done.set_result(None)


async def drive(
    port: int, make: RequestMaker, *, connections: int, seconds: float, expected: int, most: int | None = None
) -> Load:
    """Send requests for a given time.

    Args:
        make: number of previous responses -> the bytes of a request.
        seconds: time after which no further request is sent.
        expected: the expected status of all responses.
        most: end after about this many requests.

    Raises:
        RuntimeError: a response had another status.
    """
    load = Load()
    until = time.perf_counter() + seconds

    def go_on() -> bool:
        return time.perf_counter() < until and (most is None or len(load.seconds) < most)

    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    opened = [
        (await loop.create_connection(lambda: _Connection(load, make, go_on), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + 60):
        await asyncio.gather(*(connection.done for connection in opened))
    load.wall = time.perf_counter() - started
    if set(load.statuses) != {expected}:
        raise RuntimeError(f"expected only {expected}, got {load.statuses}")
    return load
