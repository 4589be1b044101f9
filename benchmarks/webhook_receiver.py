"""`python -m benchmarks.webhook_receiver PORT HANGING_PORT`: receivers of the benchmark of webhooks, in a process.

Rule: the first port answers 204 to every request as fast as Python can; the second accepts requests and never answers.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

import uvloop

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)\r\n")


class Fast(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._buffer, 0, end + 2)
            length = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < length:
                return
            self._buffer = self._buffer[length:]
            self._transport.write(_ANSWER)


async def main(port: int, hanging: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(Fast, "127.0.0.1", port)
    await loop.create_server(asyncio.Protocol, "127.0.0.1", hanging)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
