"""TCP relays between namespaces: floating IPs, load balancers, and the way of a machine to the API.

Rule: a relay listens in one namespace and connects in another. Of several targets, the next one that answers is taken,
as a load balancer with a TCP health check does.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from sandbox.netns.spaces import make_socket

CONNECT_SECONDS = 3.0
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Route:
    """`source` and `target` are namespaces (None: this process's); `targets` are addresses and ports.

    `sticky`: connections from one address go to one target, while it answers.
    """

    source: str | None
    address: str
    port: int
    target: str | None
    targets: tuple[tuple[str, int], ...]
    sticky: bool = False


class Relay:
    """A listener for one route."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._next = 0
        self._taken: dict[str, int] = {}  # address of a client -> its target

    async def start(self) -> None:
        """Listen. Raises OSError."""
        listener = make_socket(self.route.source)
        try:
            listener.bind((self.route.address, self.route.port))
            listener.listen(128)
        except OSError:
            listener.close()
            raise
        self._server = await asyncio.start_server(self._serve, sock=listener)

    async def close(self) -> None:
        """End the listener and all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far = await self._connect(str(writer.get_extra_info("peername")[0]))
            if far is not None:
                await asyncio.gather(_pump(reader, far[1]), _pump(far[0], writer))
                far[1].close()
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _connect(self, client: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        targets = self.route.targets
        self._next += 1
        first = self._taken.get(client, self._next) if self.route.sticky else self._next
        for number in range(first, first + len(targets)):
            place = targets[number % len(targets)]
            near = make_socket(self.route.target)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await asyncio.get_running_loop().sock_connect(near, place)
                if self.route.sticky:
                    self._taken[client] = number
                return await asyncio.open_connection(sock=near)
            except (OSError, TimeoutError):
                near.close()
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()
