"""The API as the process it is in production: starts, streams, and stops within its budget."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.openstack.testing import TestCloud
from tests.support.api_process import ApiProcess, api_process


@pytest.fixture
async def served(openstack: TestCloud, database_url: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    async with api_process(openstack, database_url, tmp_path / "api.log") as found:
        yield found


async def test_a_stop_ends_streams_and_the_process(served: ApiProcess, user: httpx.AsyncClient) -> None:
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
