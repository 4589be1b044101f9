"""Clouds and clients for the tests of the simulated cloud.

Rule: tests speak HTTP as any client would; the cloud is reached from inside only to look, never to change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from sandbox.openstack.testing import TestCloud, running_cloud

Json = dict[str, Any]
LIMIT = 30.0


class Client:
    """One user in one project, over plain HTTP."""

    def __init__(self, cloud: TestCloud, http: httpx.AsyncClient, project_id: str) -> None:
        self.cloud = cloud
        self.http = http
        self.project_id = project_id

    @property
    def stacks(self) -> str:
        return f"/orchestration/v1/{self.project_id}/stacks"

    async def stack(self, name: str) -> Json:
        answer = await self.http.get(f"{self.stacks}/{name}", follow_redirects=True)
        return answer.json()["stack"] if answer.status_code == 200 else {"stack_status": answer.status_code}

    async def create(self, name: str, resources: Json, **more: Any) -> str:
        template = {"heat_template_version": "2018-08-31", "resources": resources, **more.pop("template", {})}
        answer = await self.http.post(self.stacks, json={"stack_name": name, "template": template, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()["stack"]["id"]

    async def update(self, name: str, resources: Json) -> None:
        shown = await self.stack(name)
        template = {"heat_template_version": "2018-08-31", "resources": resources}
        answer = await self.http.put(f"{self.stacks}/{name}/{shown['id']}", json={"template": template})
        assert answer.status_code == 202, answer.text

    async def delete(self, name: str) -> None:
        answer = await self.http.delete(f"{self.stacks}/{name}", follow_redirects=False)
        assert answer.status_code == 302
        assert (await self.http.delete(answer.headers["location"])).status_code == 204

    async def until(self, name: str, *wanted: str | int) -> Json:
        """The stack, once its status is one of those wanted."""
        async with asyncio.timeout(LIMIT):
            while (shown := await self.stack(name))["stack_status"] not in wanted:
                assert not str(shown["stack_status"]).endswith("FAILED"), shown["stack_status_reason"]
                await asyncio.sleep(0.02)
        return shown

    async def listed(self, path: str, key: str) -> list[Json]:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()[key]


@pytest.fixture
async def cloud() -> AsyncIterator[TestCloud]:
    async with running_cloud() as found:
        yield found


LogIn = Callable[..., Awaitable[Client]]


async def log_in_to(cloud: TestCloud, user: str, project: str) -> Client:
    """A client of `user` in `project`; its `http` is to be closed."""
    http = httpx.AsyncClient(base_url=cloud.url, timeout=10)
    password = {"user": {"name": user, "domain": {"id": "default"}, "password": cloud.password}}
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    auth = {"auth": {"identity": {"methods": ["password"], "password": password}, "scope": scope}}
    answer = await http.post("/identity/v3/auth/tokens", json=auth)
    assert answer.status_code == 201, answer.text
    http.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    return Client(cloud, http, cloud.project_ids[project])


@pytest.fixture
async def log_in(cloud: TestCloud) -> AsyncIterator[LogIn]:
    made: list[Client] = []

    async def make(user: str = "demo", project: str | None = None) -> Client:
        made.append(await log_in_to(cloud, user, project or user))
        return made[-1]

    yield make
    for client in made:
        await client.http.aclose()


@pytest.fixture
async def demo(log_in: LogIn) -> Client:
    return await log_in("demo")


@pytest.fixture
async def admin(log_in: LogIn) -> Client:
    return await log_in("admin")
