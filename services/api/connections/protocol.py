"""uvicorn's HTTP protocol, with limits for what a client sends and for the time it takes.

Rule: there is no timer for a connection; `check` is called about once a second. What a client does wrong is counted and
answered, but not logged: a log line for each request would be a way to fill the disk.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.api.connections.answers import OnlyHealth, raw
from services.api.connections.gate import Place
from services.api.wire.body_limits import largest_body
from services.api.wire.errors import ApiError
from shared.limit_settings import LimitSettings
from shared.telemetry.metrics import CONNECTIONS_ENDED

# Requests that a client may send before the response to the first; their heads are in memory.
_PIPELINED = 10
# Bytes on the wire for one byte of a body: each can be a chunk of its own.
_FRAMING = 8
_MALFORMED = ApiError(400, "Invalid HTTP request received.")


class LimitedProtocol(HttpToolsProtocol):
    """Args:
    place: of this connection at the gate.
    uvicorn: the arguments of uvicorn's protocol.
    """

    def __init__(self, place: Place, limits: LimitSettings, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        if place.only_health:
            self.app = OnlyHealth(self.app)
        self._place = place
        self._limits = limits
        self._most_bytes = limits.header_bytes + _FRAMING * largest_body(limits)
        self._refusal: ApiError | None = None
        self._messages = 0  # that have begun
        self._in_head = True
        self._in_body = False
        self._received = 0  # bytes of the current message, without the read in which it began
        self._head_bytes = 0
        self._deadline: float | None = None
        self._write_deadline: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._place.evict = transport.abort
        self._place.silent()
        self._deadline = time.monotonic() + self._limits.head_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        self._place.release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        begun = self._messages
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # there is no other protocol; the request was served as it is
        except httptools.HttpParserError:
            self._refuse("malformed", self._refusal or _MALFORMED)
            return
        self._received = 0 if self._messages != begun else self._received + len(data)
        # The parser keeps a header, or a trailer, until it is complete.
        if self._in_head and self._received > self._limits.header_bytes:
            self._refuse("head", self._large_head())
        elif self._received > self._most_bytes:
            self._refuse("body", ApiError(413, "The request body is too large (limits.body_bytes)"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._messages += 1
        self._in_head, self._head_bytes = True, 0
        self._deadline = time.monotonic() + self._limits.head_seconds
        if len(self.pipeline) >= _PIPELINED:
            self._stop(ApiError(400, f"More than {_PIPELINED} requests wait for their response."))

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))
        if len(self.headers) > self._limits.headers:
            most = self._limits.headers
            self._stop(ApiError(431, f"The request has more than {most} headers (limits.headers)."))

    def on_headers_complete(self) -> None:
        self._place.busy()
        self._in_head, self._in_body = False, True
        self._deadline = time.monotonic() + self._limits.body_seconds
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._deadline = None
        super().on_message_complete()
        if self.cycle.response_complete and not self.pipeline:
            # The response came before the end of the body. uvicorn's timer for idle connections was stopped by it.
            self._place.resting()
            self._deadline = time.monotonic() + self._limits.keep_alive_seconds

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and self.cycle.response_complete and not self._in_body:
            self._place.resting()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = time.monotonic() + self._limits.write_seconds

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_deadline = None

    def unsent(self) -> int:
        """Bytes of responses that the client has not taken."""
        return self.transport.get_write_buffer_size()

    def cut(self, why: str) -> None:
        """Close the connection at once."""
        CONNECTIONS_ENDED.labels(why).inc()
        self.transport.abort()

    def check(self, now: float) -> None:
        """Close the connection if its client took too long."""
        if self._write_deadline is not None:
            if now >= self._write_deadline:
                self.cut("write_time")
        elif self.transport.is_closing():
            # It closes when its client has taken the rest.
            self._write_deadline = now + self._limits.write_seconds
        elif self._deadline is not None and now >= self._deadline:
            if self.flow.read_paused:
                self._deadline = now + self._limits.body_seconds  # the request is waiting for us
            elif self._in_body:
                seconds = self._limits.body_seconds
                self._refuse(
                    "body_time", ApiError(408, f"The body took more than {seconds:g} s (limits.body_seconds).")
                )
            elif self._messages == 0:
                self.cut("head_time")
            elif self._in_head:
                seconds = self._limits.head_seconds
                self._refuse(
                    "head_time", ApiError(408, f"The headers took more than {seconds:g} s (limits.head_seconds).")
                )
            else:
                self.transport.close()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.header_bytes:
            self._stop(self._large_head())

    def _large_head(self) -> ApiError:
        most = self._limits.header_bytes
        return ApiError(431, f"The URL and headers have more than {most} bytes (limits.header_bytes).")

    def _stop(self, refusal: ApiError) -> None:
        """End the parsing, from a callback of the parser."""
        self._refusal = refusal
        raise ValueError(refusal.detail)

    def _refuse(self, why: str, refusal: ApiError) -> None:
        """Send a response, if none has begun, and close the connection."""
        CONNECTIONS_ENDED.labels(why).inc()
        self._deadline = None
        if self._in_body:
            unanswered = not self.cycle.response_started
        else:
            unanswered = self.cycle is None or self.cycle.response_complete
        if unanswered:
            self.transport.write(raw(refusal))
        self.transport.close()
