"""One HTTP/1.1 connection to a receiver: requests one after the other, each with a response of limited size.

Rule: a response is read to its end or to a limit, whichever comes first; a connection is used again only if its
response was complete. Redirects are not followed, and bodies are not decompressed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import httptools

MAX_BODY = 16 * 1024
MAX_HEAD = 64 * 1024
MAX_HEADERS = 64


class Broken(Exception):
    """The receiver closed the connection, or what it sent is not HTTP.

    Args:
        untouched: it sent nothing, so the request may be repeated on a new connection.
    """

    def __init__(self, message: str, *, untouched: bool = False) -> None:
        super().__init__(message)
        self.untouched = untouched


@dataclass(slots=True)
class Answer:
    """A response; `body` has at most `MAX_BODY` bytes."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class Exchange(asyncio.Protocol):
    """A connection. `reusable` tells whether another request can be sent on it."""

    def __init__(self) -> None:
        self.reusable = False
        self.opened = asyncio.get_running_loop().time()
        self.idle_since = self.opened
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer = Answer()
        self._received = 0
        self._in_head = True

    async def send(self, request: Sequence[bytes]) -> Answer:
        """Send one request and wait for its response.

        Raises:
            Broken: there is no usable response.
        """
        if self._transport is None or self._transport.is_closing():
            raise Broken("the receiver closed the connection", untouched=True)
        self.reusable = False
        self._waiter = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._received, self._in_head = 0, True
        self._transport.write(b"".join(request))
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._parser is None:
            self.close()  # sent without being asked
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the receiver wants to change the protocol")
        except httptools.HttpParserError as error:
            if self._waiter is not None and not self._waiter.done():
                self._fail(f"the response is not HTTP: {error}")
        if self._in_head and self._received > MAX_HEAD:
            self._fail(f"the headers of the response are larger than {MAX_HEAD} bytes")

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        if self._waiter is None or self._waiter.done():
            return
        if self._in_head:
            self._fail("the receiver closed the connection without a response", untouched=self._received == 0)
        else:
            self._waiter.set_result(self._answer)  # a body that ends with the connection, or that was cut

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._answer.headers) < MAX_HEADERS:
            self._answer.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._answer.status = self._parser.get_status_code()
        self._in_head = self._answer.status < 200
        self.reusable = not self._in_head and self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        room = MAX_BODY - len(self._answer.body)
        self._answer.body += data[:room]
        if len(data) > room:
            self._finish(complete=False)

    def on_message_complete(self) -> None:
        if self._in_head:
            self._answer = Answer()  # an interim response (1xx)
        else:
            self._finish(complete=True)

    def _finish(self, *, complete: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(self._answer)
        if not complete:
            self.reusable = False
            self.close()

    def _fail(self, why: str, *, untouched: bool = False) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Broken(why, untouched=untouched))
        self.close()
