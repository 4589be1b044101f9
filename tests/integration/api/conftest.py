"""The API in this process, on a database of its own and a simulated cloud over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from sandbox.openstack.testing import TestCloud, running_cloud
from services.api.app import create_app
from services.api.deps import Deps, make_deps
from shared.cloud.sdk import OpenStackCloudFactory
from shared.db.engine import Database
from shared.pki.sealing import new_key
from shared.settings import Settings
from tests.support.service_user import service_user_of

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The SDK warns about itself on every call; all other warnings stay errors."""
    quiet = pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(quiet)


Login = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def openstack() -> AsyncIterator[TestCloud]:
    async with running_cloud() as cloud:
        yield cloud


@pytest.fixture
def settings(openstack: TestCloud, database_url: str) -> Settings:
    return Settings(
        database_url=SecretStr(database_url),
        secret_keys=[SecretStr(new_key())],
        poll_seconds=0.1,
        cloud=service_user_of(openstack),
    )


@pytest.fixture
async def deps(settings: Settings, database: Database) -> AsyncIterator[Deps]:
    clouds = OpenStackCloudFactory(settings.cloud)
    yield make_deps(settings, database, clouds)
    await clouds.close()


@pytest.fixture
async def transport(deps: Deps) -> AsyncIterator[httpx.ASGITransport]:
    app = create_app(deps)
    async with LifespanManager(app):
        # An exception that escapes must be seen as the 500 a client would get.
        yield httpx.ASGITransport(app, raise_app_exceptions=False)


@pytest.fixture
async def anonymous(transport: httpx.ASGITransport) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


@pytest.fixture
async def login(transport: httpx.ASGITransport, openstack: TestCloud) -> AsyncIterator[Login]:
    """login(user, project, version=...) -> a client with a fresh token of the simulated Keystone."""
    clients: list[httpx.AsyncClient] = []

    async def make(user: str = "demo", project: str = "demo", version: str = "latest") -> httpx.AsyncClient:
        token = await issue_token(openstack, user, project)
        headers = {"X-Auth-Token": token, "OpenStack-API-Version": f"container-infra {version}"}
        client = httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


async def issue_token(openstack: TestCloud, user: str, project: str) -> str:
    domain = {"id": "default"}
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": openstack.password}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        answer = await client.post(f"{openstack.auth_url}/auth/tokens", json=body)
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"]


@pytest.fixture
async def spent_token(openstack: TestCloud, deps: Deps) -> str:
    """A token of project `demo` that Keystone gave, that was good, and whose time is over."""
    tokens = openstack.cloud.tokens
    tokens.seconds, usual = 2, tokens.seconds
    token = await issue_token(openstack, "demo", "demo")
    tokens.seconds = usual
    while await deps.clouds.validate_token(token) is not None:
        await asyncio.sleep(0.1)
    return token


@pytest.fixture
async def user(login: Login) -> httpx.AsyncClient:
    """A member of project `demo`."""
    return await login()


@pytest.fixture
async def template(user: httpx.AsyncClient, openstack: TestCloud) -> dict[str, Any]:
    """A cluster template of project `demo`."""
    body = {
        "name": "k8s",
        "coe": "kubernetes",
        "image_id": openstack.image,
        "flavor_id": openstack.flavor,
        "master_flavor_id": openstack.flavor,
        "external_network_id": openstack.external_network,
        "master_lb_enabled": True,
        "labels": {"kube_tag": "v1.34.1"},
    }
    answer = await user.post("/v1/clustertemplates", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found
