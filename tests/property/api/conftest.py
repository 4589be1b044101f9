"""The API on a real database, with a cloud that answers from memory: speed matters more here than the wire."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from sandbox.ports import free_port
from services.api.app import create_app
from services.api.deps import make_deps
from shared.cloud.settings import CloudSettings
from shared.db.engine import Database
from shared.limit_settings import LimitSettings
from shared.pki.sealing import new_key
from shared.settings import Settings
from tests.support.memory_cloud import MemoryClouds


@pytest.fixture
def api_settings(database_url: str) -> Settings:
    return Settings(
        database_url=SecretStr(database_url),
        secret_keys=[SecretStr(new_key())],
        max_clusters_per_project=100_000,
        limits=LimitSettings(templates_per_project=100_000, federations_per_project=100_000),
        poll_seconds=0.1,
        cloud=CloudSettings(auth_url="http://keystone.test/v3", username="j", password=SecretStr("x")),
    )


@pytest.fixture
def clouds() -> Any:
    return MemoryClouds()


@pytest.fixture
async def client(database: Database, api_settings: Settings, clouds: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of project p1 that sees a 500 where an exception escapes."""
    app = create_app(make_deps(api_settings, database, clouds))
    async with LifespanManager(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"X-Auth-Token": "user", "OpenStack-API-Version": "container-infra latest"}
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as found:
            yield found


@pytest.fixture
def served(api_settings: Settings, clouds: Any) -> Iterator[str]:
    """The API on a port, in a thread with a loop of its own, for clients that are not asynchronous; its URL."""
    port = free_port()
    stop = threading.Event()
    ready = threading.Event()

    async def serve() -> None:
        database = Database(api_settings.database_url.get_secret_value(), application_name="served", pool_size=5)
        app = create_app(make_deps(api_settings, database, clouds))
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="on"))
        serving = asyncio.create_task(server._serve())
        while not stop.is_set():
            await asyncio.sleep(0.02)
            if server.started:
                ready.set()
        server.should_exit = True
        await serving
        await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    yield f"http://127.0.0.1:{port}"
    stop.set()
    thread.join(20)
