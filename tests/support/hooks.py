"""Webhooks in tests: a receiver on loopback, and the notifier's parts in the test's own process."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox.ports import free_port
from services.notifier.service import Notifier
from shared.db.engine import Database
from shared.settings import Settings


def loopback(**settings: Any) -> dict[str, Any]:
    """Settings of webhooks that permit receivers on loopback, and do not wait long."""
    return {
        "allow_http": True,
        "ports": ["1024-65535"],
        "allowed_networks": ["127.0.0.0/8"],
        "timeout_seconds": 2,
        **settings,
    }


@dataclass(slots=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


Answer = bytes | None  # None: never
Respond = Callable[[Received], Answer | Awaitable[Answer]]


def response(status: int = 204, headers: str = "", body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


@dataclass(slots=True)
class Listener:
    """A receiver. `respond` can be replaced at any time."""

    port: int
    received: list[Received] = field(default_factory=list)
    respond: Respond = lambda _request: response()
    connections: int = 0
    open_now: int = 0
    most_at_once: int = 0
    closes: bool = False  # after each response

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def until(self, number: int, seconds: float = 20) -> list[Received]:
        """Wait until so many requests have been received."""
        async with asyncio.timeout(seconds):
            while len(self.received) < number:
                await asyncio.sleep(0.01)
        return self.received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        request = Received(first.split(" ")[1], headers, body)
        self.received.append(request)
        self.open_now += 1
        self.most_at_once = max(self.most_at_once, self.open_now)
        try:
            answer = self.respond(request)
            raw = await answer if isinstance(answer, Awaitable) else answer
            if raw is None:
                await asyncio.sleep(3600)
                return False
            writer.write(raw)
            await writer.drain()
        finally:
            self.open_now -= 1
        return not self.closes


@asynccontextmanager
async def listening(*, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    listener = Listener(free_port(host))
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await listener.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, host, listener.port, ssl=tls)
    try:
        yield listener
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def running_notifier(database: Database, settings: Settings, **options: Any) -> AsyncIterator[Notifier]:
    notifier = Notifier(database, settings, **options)
    async with notifier.running():
        yield notifier
