"""Measures many open event streams on one process of the API: memory, idle CPU, and how soon an event is everywhere.

The streams are those of one user. Events are inserted in the user's project; the time of an event is from its commit to
its arrival at each client. In the last part some clients take nothing, which must cost neither memory nor the others.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import asyncpg

from benchmarks.client import issue_token, user_of
from benchmarks.measure import Figure, cpu_seconds, p50_p99, percentile, resident_mib
from sandbox.run import Sandbox, running_sandbox
from shared.domain.ids import new_id

MEMORY_BUDGET_MIB = 500.0
_AT_ONCE = 50
_SECONDS = 120.0
_INSERT = """
WITH added AS (
    INSERT INTO events (id, type, subject, project_id, data)
    SELECT gen_random_uuid()::text, 'node.joined.v1', 'projects/' || $1, $1,
           jsonb_build_object('node_id', $2::text, 'name', $2::text || '-' || n, 'nodegroup', 'g', 'role', 'worker',
                              'state', 'joined', 'reason', repeat('x', $4), 'addresses', '[]'::jsonb)
    FROM generate_series(1, $3::int) n
)
SELECT pg_notify('jeroboam_events', '')
"""


@dataclass(slots=True)
class Client(asyncio.Protocol):
    """One stream, read as far as needed to count its events.

    Args:
        request: what is sent once it is connected.
    """

    request: bytes
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: list[float] = field(default_factory=list)
    lost: bool = False
    transport: asyncio.Transport | None = None
    _rest: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        text = self._rest + data
        now = time.time()
        self.arrived += [now] * text.count(b"\ndata: ")
        self._rest = text[-7:] if not text.endswith(b"\n\n") else b""
        if b": jeroboam" in text:
            self.ready.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost = True
        self.ready.set()


async def run(*, streams: int = 5000, events: int = 20, idle_seconds: int = 30, stalled: int = 500) -> list[Figure]:
    """Measure on a new sandbox.

    Args:
        streams: number of open streams.
        events: number of events whose arrival is measured, one after the other.
        idle_seconds: duration of the measurement without events.
        stalled: number of clients that take nothing during the last part.
    """
    most = str(streams + 10)
    limits = {f"JEROBOAM_STREAMS__MAX_PER_{who}": most for who in ("USER", "PROJECT", "PROCESS")}
    async with running_sandbox(extra_environment={"api": limits}) as sandbox:
        return await measure(sandbox, streams=streams, events=events, idle_seconds=idle_seconds, stalled=stalled)


async def measure(sandbox: Sandbox, *, streams: int, events: int, idle_seconds: int, stalled: int) -> list[Figure]:
    """Measure on a sandbox whose API permits that many streams."""
    pid, port = sandbox.children["api"].pid, sandbox.layout.api_port
    token = await issue_token(sandbox.layout.auth_url)
    async with user_of(sandbox) as user:
        template = await user.make_template()
    database = await asyncpg.connect(sandbox.database_url)
    project = await database.fetchval("SELECT project_id FROM cluster_templates WHERE uuid = $1", template)
    request = f"GET /v1/events/stream?after=latest HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {token}\r\n\r\n".encode()
    empty, cpu = resident_mib(pid), cpu_seconds(pid)
    clients = await _open(port, request, streams)
    opened = cpu_seconds(pid) - cpu
    full, cpu = resident_mib(pid), cpu_seconds(pid)
    await asyncio.sleep(idle_seconds)
    idle = (cpu_seconds(pid) - cpu) / idle_seconds * 100
    cpu = cpu_seconds(pid)
    delays, last = [], []
    for number in range(1, events + 1):
        sent = await _emit(database, project, 1, 0)
        await _all_have(clients, number)
        found = [client.arrived[number - 1] - sent for client in clients]
        delays += found
        last.append(max(found))
    each = (cpu_seconds(pid) - cpu) / (events * streams)
    for client in clients[:stalled]:
        assert client.transport is not None
        client.transport.pause_reading()
    burst = 40
    began = await _emit(database, project, burst, 4000)
    await _all_have(clients[stalled:], events + burst)
    took = time.time() - began
    after = resident_mib(pid)
    lost = sum(client.lost for client in clients[stalled:])
    for client in clients:
        assert client.transport is not None
        client.transport.abort()
    await database.close()
    return [
        Figure("API without streams", empty, "MiB"),
        Figure(f"API with {streams} streams", full, "MiB", MEMORY_BUDGET_MIB),
        Figure("memory of a stream", (full - empty) * 1024 / streams, "KiB"),
        Figure("CPU to open a stream", opened / streams * 1e3, "ms"),
        Figure("idle CPU", idle, "% of a core", note=f"heartbeats every 15 s, {idle_seconds} s"),
        *p50_p99("committed -> arrived", delays),
        Figure("committed -> arrived everywhere, p50", percentile(last, 0.5) * 1000, "ms", note=f"{events} events"),
        Figure("CPU per event and stream", each * 1e6, "us"),
        Figure(f"API after {burst} events of 4 KB, {stalled} clients take nothing", after, "MiB", MEMORY_BUDGET_MIB),
        Figure("the burst to all others", took, "s"),
        Figure("other streams that were cut", lost, "streams", 0),
    ]


async def _open(port: int, request: bytes, streams: int) -> list[Client]:
    loop = asyncio.get_running_loop()
    clients = [Client(request) for _ in range(streams)]
    remaining = iter(clients)

    async def connect() -> None:
        for client in remaining:
            await loop.create_connection(lambda made=client: made, "127.0.0.1", port)  # type: ignore[misc]
            async with asyncio.timeout(_SECONDS):
                await client.ready.wait()
            assert not client.lost, "a stream was refused"

    await asyncio.gather(*(connect() for _ in range(_AT_ONCE)))
    return clients


async def _emit(database: asyncpg.Connection, project: str, number: int, size: int) -> float:
    """Insert events. Returns the time of their commit."""
    await database.execute(_INSERT, project, new_id(), number, size)
    return time.time()


async def _all_have(clients: list[Client], number: int) -> None:
    until = time.monotonic() + _SECONDS
    while any(len(client.arrived) < number and not client.lost for client in clients):
        assert time.monotonic() < until, "not everything arrived"
        await asyncio.sleep(0.02)
