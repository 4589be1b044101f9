"""The load generator against a server that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from benchmarks.http_load import drive, request_bytes
from sandbox.ports import free_port


class Counting:
    """Answers every request with a body in two pieces, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.status = 200
        self.port = free_port()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            self.asked.append(head.split(b"\r\n")[0] + b" " + await reader.readexactly(length))
            writer.write(b"HTTP/1.1 %d Whatever\r\nContent-Length: 10\r\n\r\n12345" % self.status)
            await writer.drain()
            writer.write(b"67890")
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Counting]:
    counting = Counting()
    listening = await asyncio.start_server(counting.serve, "127.0.0.1", counting.port)
    yield counting
    listening.close()


async def test_every_answer_is_counted_once(server: Counting) -> None:
    request = request_bytes("POST", "/x", {"X-Auth-Token": "t"}, {"a": 1})
    load = await drive(server.port, lambda _: request, connections=3, seconds=30, expected=200, most=60)
    assert len(load.seconds) == len(server.asked) == load.statuses[200]
    assert 60 <= len(load.seconds) <= 62
    assert set(server.asked) == {b'POST /x HTTP/1.1 {"a": 1}'}
    assert load.rate == pytest.approx(len(load.seconds) / load.wall)


async def test_refusals_are_no_result(server: Counting) -> None:
    server.status = 503
    with pytest.raises(RuntimeError, match="503"):
        await drive(server.port, lambda _: request_bytes("GET", "/"), connections=1, seconds=30, expected=200, most=3)
