"""The API as the process it is in production: starts, streams, and stops within its budget."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from sandbox.openstack.testing import TestCloud
from sandbox.ports import free_port
from shared.pki.sealing import new_key


@dataclass
class Served:
    process: asyncio.subprocess.Process
    url: str


@pytest.fixture
async def served(openstack: TestCloud, database_url: str) -> AsyncIterator[Served]:
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "JEROBOAM_DATABASE_URL": database_url,
        "JEROBOAM_SECRET_KEYS": f'["{new_key()}"]',
        "JEROBOAM_API_PORT": str(port),
        "JEROBOAM_CLOUD__AUTH_URL": openstack.auth_url,
        "JEROBOAM_CLOUD__USERNAME": openstack.service_user,
        "JEROBOAM_CLOUD__PASSWORD": openstack.password,
        "JEROBOAM_CLOUD__PROJECT_NAME": openstack.service_project,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.api", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client, asyncio.timeout(60):
        while True:
            assert process.returncode is None
            try:
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    yield Served(process, url)
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_a_stop_ends_streams_and_the_process(served: Served, user: httpx.AsyncClient) -> None:
    headers = {"X-Auth-Token": user.headers["X-Auth-Token"]}
    async with (
        httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=30) as client,
        client.stream("GET", "/v1/events/stream", headers=headers) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        chunks = stream.aiter_text()
        assert (await anext(chunks)).startswith(": jeroboam")
        ready = (await client.get("/readyz")).json()
        assert ready["parts"] == {"database": "ok", "cloud": "ok", "keys": "ok", "bus": "ok"}

        served.process.send_signal(signal.SIGTERM)

        assert [chunk async for chunk in chunks if chunk.startswith("id")] == []
    assert await asyncio.wait_for(served.process.wait(), 30) == 0
