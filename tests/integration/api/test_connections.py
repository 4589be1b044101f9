"""Clients that open too much, send too much, or take too long."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from sandbox.openstack.testing import TestCloud
from sandbox.ports import free_port
from services.api.app import create_app
from services.api.server import make_server
from shared.db.engine import Database
from tests.integration.api.conftest import issue_token
from tests.support.api_process import api_process
from tests.support.certificates import make_authority, make_certificate
from tests.support.memory_api import memory_deps

MIB = 2**20
LIMITS = {
    "head_seconds": 0.6,
    "body_seconds": 0.6,
    "write_seconds": 0.6,
    "keep_alive_seconds": 2,
    "header_bytes": 4096,
    "headers": 20,
    "connections": 6,
}
USER = {"X-Auth-Token": "user"}


@asynccontextmanager
async def running(database: Database, database_url: str, **settings: Any) -> AsyncIterator[int]:
    """The API behind its listener in this process; its port."""
    port = free_port()
    deps = memory_deps(database, database_url, limits=LIMITS, api_port=port, trusted_proxies=[], **settings)
    server = make_server(create_app(deps), deps.settings)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    yield port
    deps.close_waiters()
    server.should_exit = True
    await asyncio.wait_for(serving, 10)


@pytest.fixture
async def url(database: Database, database_url: str) -> AsyncIterator[str]:
    async with running(database, database_url) as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    try:
        yield reader, writer
    finally:
        writer.close()


async def said(url: str, data: bytes) -> bytes:
    """All that the API sends until it closes the connection."""
    async with connected(url) as (reader, writer), asyncio.timeout(5):
        writer.write(data)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b"reset"


async def test_heads_are_limited(url: str) -> None:
    for data, status, name in (
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 20 + b"\r\n", b"431", b"limits.headers"),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 4100 + b"\r\n\r\n", b"431", b"limits.header_bytes"),
        (b"GET /" + b"b" * 4100 + b" HTTP/1.1\r\n\r\n", b"431", b"limits.header_bytes"),
        (b"GET / HTTP/1.1\r\nHost: ", b"408", b"limits.head_seconds"),
        (b"nonsense\r\n\r\n", b"400", b"Invalid HTTP request"),
    ):
        found = await said(url, data)
        assert found.startswith(b"HTTP/1.1 " + status), found
        assert name in found
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    last = get.replace(b"Host", b"Connection: close\r\nHost")
    assert (await said(url, get * 5 + last)).count(b"HTTP/1.1 200 OK") == 6
    assert await said(url, get * 200) == b""
    async with connected(url) as (reader, writer), asyncio.timeout(5):
        writer.write(b"GET / HTTP/1.1\r\nA: ")
        sent = 0
        while not reader.at_eof() and sent < 4 * MIB:  # a header that does not end
            writer.write(b"b" * 4096)
            sent += 4096
            await asyncio.sleep(0.002)
            if reader._buffer:  # type: ignore[attr-defined]
                break
        assert b"limits.header_bytes" in await reader.read()
        assert sent < MIB


async def test_slow_clients_are_ended(url: str) -> None:
    started = time.monotonic()
    post = b"POST /v1/clusters HTTP/1.1\r\nHost: a\r\nX-Auth-Token: user\r\nContent-Type: application/json\r\n"
    silent, trickle, body = await asyncio.gather(
        said(url, b""), _trickled(url), said(url, post + b"Content-Length: 100\r\n\r\n{")
    )
    assert time.monotonic() - started < 4
    assert silent == b""
    assert trickle.startswith(b"HTTP/1.1 408")
    assert body.startswith(b"HTTP/1.1 408")
    assert b"limits.body_seconds" in body


async def test_a_client_that_takes_nothing_is_cut(url: str, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO cluster_templates (uuid, name, project_id, user_id, coe, image_id, labels, server_type) "
                "SELECT gen_random_uuid()::text, 'x', 'p1', 'u', 'kubernetes', 'i', "
                "jsonb_build_object('a', repeat('x', 30000)), 'vm' FROM generate_series(1, 60)"
            )
        )
    reluctant = socket.socket()
    reluctant.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    reluctant.connect(("127.0.0.1", int(url.rsplit(":", 1)[1])))
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        before = await _ended(client, "write_time")
        for _ in range(8):
            reluctant.send(b"GET /v1/clustertemplates HTTP/1.1\r\nHost: a\r\nX-Auth-Token: user\r\n\r\n")
        async with asyncio.timeout(10):
            while await _ended(client, "write_time") == before:
                await asyncio.sleep(0.1)
    reluctant.close()


async def _ended(client: httpx.AsyncClient, limit: str) -> float:
    """How many connections were ended by a limit."""
    name = f'jeroboam_api_connections_ended_total{{limit="{limit}"}} '
    for line in (await client.get("/metrics")).text.splitlines():
        if line.startswith(name):
            return float(line.removeprefix(name))
    return 0.0


async def _trickled(url: str) -> bytes:
    async with connected(url) as (reader, writer), asyncio.timeout(5):
        for byte in b"GET / HTTP/1.1\r\nHost: example.org\r\nAccept: application/json\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)
            if reader._buffer:  # type: ignore[attr-defined]
                break
        return await reader.read()


async def test_idle_connections_give_way_and_the_health_has_a_reserve(url: str) -> None:
    async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=url, trust_env=False, headers=USER) as client:
        for _ in range(20):
            await stack.enter_async_context(connected(url))
        assert (await client.get("/v1/clusters", headers={"Connection": "close"})).status_code == 200
        for _ in range(6):
            await stack.enter_async_context(client.stream("GET", "/v1/events/stream"))
        async with httpx.AsyncClient(base_url=url, trust_env=False, headers=USER) as other:
            refused = await other.get("/v1/clusters")
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "5"
            assert "limits.connections" in refused.json()["errors"][0]["detail"]
            for path in ("/readyz", "/livez"):
                assert (await other.get(path)).status_code == 200
            counted = (await other.get("/metrics")).text
            assert 'jeroboam_api_connections_ended_total{limit="displaced"}' in counted


async def test_handshakes_of_tls_are_connections(database: Database, database_url: str, tmp_path: Path) -> None:
    authority = make_authority()
    pair = make_certificate(authority, "localhost", tmp_path)
    async with running(database, database_url, api_tls_cert=pair, api_tls_key=pair) as port, AsyncExitStack() as stack:
        plain = f"http://127.0.0.1:{port}"
        silent = [await stack.enter_async_context(connected(plain)) for _ in range(20)]
        url = f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, headers=USER, verify=False) as client:
            assert (await client.get("/v1/clusters")).status_code == 200
        async with asyncio.timeout(5):
            for reader, _ in silent:  # those that were not displaced are ended after `head_seconds`
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""


async def test_more_idle_connections_than_files(
    openstack: TestCloud, database_url: str, tmp_path: Path, _many_files: None
) -> None:
    """A process that may open 1,024 files, and 1,500 connections to it that say nothing."""
    token = await issue_token(openstack, "demo", "demo")
    async with (
        api_process(openstack, database_url, tmp_path / "api.log", files=1024, TRUSTED_PROXIES="[]") as api,
        httpx.AsyncClient(base_url=api.url, headers={"X-Auth-Token": token}, trust_env=False, timeout=10) as kept,
    ):
        assert (await kept.get("/v1/clusters")).status_code == 200
        before = api.resident()
        idle = []
        try:
            for number in range(1500):
                connection = socket.create_connection(("127.0.0.1", api.port), timeout=10)
                idle.append(connection)
                if number % 50 == 0:
                    await asyncio.sleep(0)
            started = time.monotonic()
            async with httpx.AsyncClient(base_url=api.url, trust_env=False, timeout=10) as new:
                assert (await new.get("/readyz")).status_code == 200
                answer = await new.get("/v1/clusters", headers={"X-Auth-Token": token})
                assert answer.status_code == 200
            assert (await kept.get("/v1/clusters")).status_code == 200
            assert time.monotonic() - started < 5
            assert api.resident() - before < 60 * MIB
        finally:
            for connection in idle:
                connection.close()
        assert len(api.lines()) < 20, api.lines()[:20]


@pytest.fixture
def _many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
