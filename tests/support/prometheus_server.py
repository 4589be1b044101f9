"""Debian's Prometheus as a server on loopback, and queries of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from sandbox.ports import free_port
from tests.support.prometheus_programs import program


@asynccontextmanager
async def prometheus(config: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A Prometheus server with this configuration, and a client of it."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5) as client:
            yield client
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


async def until(client: httpx.AsyncClient, query: str, wanted: Callable[[list[dict[str, Any]]], bool]) -> Any:
    """The series of a query, once they are as wanted."""
    found: Any = None
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await client.get("/api/v1/query", params={"query": query})
                found = answer.json()["data"]["result"]
                if wanted(found):
                    return found
            except (httpx.TransportError, json.JSONDecodeError, KeyError):
                pass  # it has not started yet
            await asyncio.sleep(0.1)
