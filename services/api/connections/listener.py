"""Accepts connections, at most as many as the gate admits, and ends those whose clients take too long.

Rule: the gate is asked before a connection costs more than its file descriptor, and before TLS. If descriptors run out
nevertheless, accepting pauses; connections that are open are served meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from services.api.connections.answers import TOO_MANY_OF_ADDRESS, raw
from services.api.connections.gate import Gate, Place
from services.api.connections.protocol import LimitedProtocol
from shared.limit_settings import LimitSettings

log = structlog.get_logger(__name__)

BATCH = 32  # connections that are accepted before others are served
BACKLOG = 2048
_CHECK_SECONDS = 0.5
_PAUSE_SECONDS = 0.5


class Listener:
    """What uvicorn knows as its server.

    Args:
        make: the protocol of a connection with this place.
        tls: None for plain HTTP.
    """

    def __init__(
        self, gate: Gate, limits: LimitSettings, make: Callable[[Place], LimitedProtocol], tls: ssl.SSLContext | None
    ) -> None:
        self._gate = gate
        self._limits = limits
        self._make = make
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self._protocols: set[LimitedProtocol] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None

    def open(self, host: str, port: int) -> None:
        """Listen on every address of `host`.

        Raises:
            OSError: an address is in use, or does not exist.
        """
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listening = socket.socket(family, kind, protocol)
            self._sockets.append(listening)
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        for listening in self._sockets:
            self._resume(listening)
        self._watch = asyncio.create_task(self._check_regularly(), name="connections")

    def close(self) -> None:
        """Accept no more; connections that are open stay open."""
        loop = asyncio.get_running_loop()
        for listening in self._sockets:
            loop.remove_reader(listening)
            listening.close()
        self._sockets.clear()

    async def wait_closed(self) -> None:
        """End what `close` leaves."""
        if self._watch is not None:
            self._watch.cancel()
        for task in [*self._opening]:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("api.accept_paused", error=str(error), open=len(self._gate))
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(_PAUSE_SECONDS, self._resume, listening)
                return
            place = self._gate.admit(str(address[0]))
            if place is None:
                self._refuse(connection)
                continue
            connection.setblocking(False)
            task = asyncio.create_task(self._serve(connection, place))
            place.evict = task.cancel  # type: ignore[assignment]
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _refuse(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.setblocking(False)
            if self._tls is None:
                connection.send(raw(TOO_MANY_OF_ADDRESS))

    async def _serve(self, connection: socket.socket, place: Place) -> None:
        """Give a connection to its protocol, after the handshake of TLS."""
        place.silent()
        seconds = self._limits.head_seconds if self._tls else None
        try:
            _, protocol = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._make(place), connection, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        except (OSError, ssl.SSLError, TimeoutError):
            place.release()
            connection.close()
        except BaseException:
            place.release()
            connection.close()
            raise
        else:
            self._protocols.add(protocol)

    async def _check_regularly(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            now = time.monotonic()
            unsent: list[tuple[int, LimitedProtocol]] = []
            for protocol in list(self._protocols):
                if protocol.parser is None:  # it is closed
                    self._protocols.discard(protocol)
                    continue
                protocol.check(now)
                if size := protocol.unsent():
                    unsent.append((size, protocol))
            self._relieve(unsent)

    def _relieve(self, unsent: list[tuple[int, LimitedProtocol]]) -> None:
        """Cut the clients that leave the most, until the rest is within its limit."""
        total = sum(size for size, _ in unsent)
        for size, protocol in sorted(unsent, key=lambda each: each[0], reverse=True):
            if total <= self._limits.unsent_bytes:
                return
            protocol.cut("unsent_bytes")
            total -= size
