"""Jeroboam's real processes on a real OpenStack, with nodes impersonated from the servers' real user data.

Rule: what runs here is what an operator runs; only PostgreSQL is the embedded one, the bus the local one, and the
machines that boot are agents' protocol spoken from one process. Everything here needs `JEROBOAM_TEST_CLOUD`
(scripts/test-openstack.sh sets it).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from sandbox.layout import load_layout, service_environment
from sandbox.ports import bindable
from sandbox.postgres import EmbeddedPostgres
from sandbox.processes import ChildProcess
from shared.cloud.sdk import OpenStackCloudFactory
from shared.cloud.settings import CloudSettings
from shared.db.migrate import migrate
from tests.support.real_cluster import delete_leftovers

PORT = 9511  # where the laboratory's catalogue says that Jeroboam is


@pytest.fixture
async def place() -> dict[str, Any]:
    """Where the cloud is and what is in it; the file is described at `Place` in tests/contract/cloud."""
    file = os.environ.get("JEROBOAM_TEST_CLOUD")
    assert file, "JEROBOAM_TEST_CLOUD names no cloud: run scripts/test-openstack.sh"
    text = await asyncio.to_thread(Path(file).read_text)
    found: dict[str, Any] = json.loads(text)
    return found


def login(place: dict[str, Any], user: str, project: str | None) -> dict[str, str]:
    """OS_* variables of a user."""
    return {
        "OS_AUTH_URL": place["auth_url"],
        "OS_USERNAME": user,
        "OS_PASSWORD": place["password"],
        "OS_PROJECT_ID" if project else "OS_PROJECT_NAME": project or place["service"]["project_name"],
        **({} if project else {"OS_PROJECT_DOMAIN_NAME": "Default"}),
        "OS_USER_DOMAIN_NAME": place["domain"],
        "OS_IDENTITY_API_VERSION": "3",
    }


@pytest.fixture
def jeroboam(processes: tuple[str, dict[str, str]]) -> str:
    """The API's URL, with everything running."""
    return processes[0]


@pytest.fixture
def settings(processes: tuple[str, dict[str, str]]) -> dict[str, str]:
    """JEROBOAM_* as the processes have it."""
    return processes[1]


@pytest.fixture
async def clean(place: dict[str, Any], factory: OpenStackCloudFactory) -> None:
    """Nothing in the first project is left from a test that was ended; only on a laboratory of our own."""
    if os.environ.get("JEROBOAM_TEST_CLOUD_CLEAN"):
        await delete_leftovers(factory.for_project(place["projects"]["one"]), 300)


@pytest.fixture
async def processes(place: dict[str, Any], clean: None) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """All of Jeroboam's processes and the nodes."""
    assert bindable(PORT), f"port {PORT} is taken"
    directory = await asyncio.to_thread(lambda: Path(tempfile.mkdtemp(prefix="jeroboam-real-")))
    directory.chmod(0o711)  # PostgreSQL runs unprivileged where we are root
    layout = load_layout(directory, api_port=PORT)
    postgres = EmbeddedPostgres(directory / "postgres", layout.postgres_port, durable=False)
    environment = service_environment(layout, postgres.url()) | {
        "JEROBOAM_CLOUD__AUTH_URL": place["auth_url"],
        "JEROBOAM_CLOUD__USERNAME": place["service"]["username"],
        "JEROBOAM_CLOUD__PASSWORD": place["service"]["password"],
        "JEROBOAM_CLOUD__PROJECT_NAME": place["service"]["project_name"],
        # One process speaks for all nodes, and the consoles of Nova's fake driver show the same words for every server.
        "JEROBOAM_NODE_PROOFS": "[]",
    }
    nodes = login(place, place["service"]["username"], None)
    children = [ChildProcess("api", "services.api", [], environment, directory / "api.log")]
    urls = [f"{layout.api_url}/readyz"]
    for service, port in layout.service_ports.items():
        own = environment | {
            "JEROBOAM_SERVICE_PORT": str(port),
            "JEROBOAM_OPENSTACK_NOTIFICATION_URL": place["notifications"],
        }
        children.append(ChildProcess(service, f"services.{service}", [], own, directory / f"{service}.log"))
        urls.append(f"http://127.0.0.1:{port}/readyz")
    children.append(ChildProcess("nodes", "sandbox.nodes", [], nodes, directory / "nodes.log"))
    try:
        await postgres.start()
        await migrate(postgres.url().replace("postgresql://", "postgresql+asyncpg://", 1))
        for child in children:
            child.start()
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            for url in urls:
                await until_ready(client, url)
        yield layout.api_url, environment
    finally:
        await asyncio.gather(*(child.stop() for child in children))
        await postgres.stop()
        logs = {child.name: child.log_tail() for child in children}
        await asyncio.to_thread(shutil.rmtree, directory, True)
        for name, tail in logs.items():
            print(f"--- end of the log of {name}\n{tail}")


async def until_ready(client: httpx.AsyncClient, url: str) -> None:
    for _ in range(300):
        try:
            if (await client.get(url)).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.2)
    raise AssertionError(f"{url} is not ready after a minute")


@pytest.fixture
async def factory(place: dict[str, Any]) -> AsyncIterator[OpenStackCloudFactory]:
    service = place["service"] | {"password": SecretStr(place["service"]["password"])}
    made = OpenStackCloudFactory(CloudSettings(auth_url=place["auth_url"], **service))
    yield made
    await made.close()


@pytest.fixture
def coe(place: dict[str, Any], jeroboam: str, tmp_path: Path) -> Callable[..., Awaitable[str]]:
    """`openstack coe ...` as the first user; its output, or a failure that shows it."""
    user = login(place, place["users"]["one"], place["projects"]["one"])

    async def run(*arguments: str, ok: bool = True) -> str:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("openstack")),
            "coe",
            *arguments,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SHELL": "/bin/sh", **user},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 120)
        text = output.decode()
        assert (process.returncode == 0) is ok, text
        return text

    return run


@pytest.fixture
async def api(place: dict[str, Any], jeroboam: str) -> AsyncIterator[Callable[..., Awaitable[httpx.Response]]]:
    """The first user's requests to the API."""
    user = {"name": place["users"]["one"], "domain": {"name": place["domain"]}, "password": place["password"]}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"id": place["projects"]["one"]}},
    }
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answer = await client.post(f"{place['auth_url']}/auth/tokens", json={"auth": auth})
        headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}

        async def request(method: str, path: str, **kwargs: Any) -> httpx.Response:
            return await client.request(method, f"{jeroboam}{path}", headers=headers, **kwargs)

        yield request
