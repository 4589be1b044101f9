"""A small client for tests against a running sandbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from sandbox.layout import PASSWORD
from sandbox.run import Sandbox


async def issue_token(auth_url: str, user: str = "demo", project: str = "demo") -> str:
    """A project-scoped token from the sandbox's Keystone."""
    domain = {"name": "Default"}
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": PASSWORD}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        response = await client.post(f"{auth_url}/auth/tokens", json=body)
        response.raise_for_status()
        return response.headers["x-subject-token"]


class Client:
    """The API as user `demo`, patient with a service that restarts."""

    def __init__(self, http: httpx.AsyncClient, sandbox: Sandbox) -> None:
        self.http = http
        self.sandbox = sandbox
        self._template: str | None = None

    async def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Retry while nobody answers or the service is away (503), for at most a minute."""
        deadline = time.monotonic() + 60
        while True:
            try:
                response = await self.http.request(method, path, **arguments)
                if response.status_code != 503:
                    return response
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                return response
            await asyncio.sleep(0.1)

    async def get(self, path: str) -> Any:
        response = await self.call("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    async def template(self, **fields: Any) -> str:
        if self._template is None or fields:
            body = {
                "name": "t",
                "coe": "kubernetes",
                "image_id": "ubuntu-24.04",
                "external_network_id": "public",
                "flavor_id": "m1.small",
                "master_flavor_id": "m1.small",
                "floating_ip_enabled": False,
            }
            response = await self.call("POST", "/v1/clustertemplates", json=body | fields)
            assert response.status_code == 201, response.text
            self._template = response.json()["uuid"]
        return self._template

    async def create(self, name: str = "c", **fields: Any) -> str:
        body = {"name": name, "cluster_template_id": await self.template(), "node_count": 2}
        response = await self.call("POST", "/v1/clusters", json=body | fields)
        assert response.status_code == 202, response.text
        return response.json()["uuid"]

    async def status(self, cluster: str) -> str | None:
        response = await self.call("GET", f"/v1/clusters/{cluster}")
        if response.status_code == 404:
            return None
        assert response.status_code == 200, response.text
        return response.json()["status"]

    async def settled(self, cluster: str, seconds: float = 90) -> str | None:
        """Wait until no operation is under way; the status then, or None when the cluster is gone."""
        deadline = time.monotonic() + seconds
        while (status := await self.status(cluster)) is not None and status.endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, f"{cluster} is still {status}: {await self.operations(cluster)}"
            await asyncio.sleep(0.1)
        return status

    async def operations(self, cluster: str) -> list[dict[str, Any]]:
        return (await self.get(f"/v1/clusters/{cluster}/operations"))["operations"]

    async def delete(self, cluster: str) -> None:
        response = await self.call("DELETE", f"/v1/clusters/{cluster}")
        assert response.status_code == 204, response.text

    async def events(self, cluster: str) -> list[dict[str, Any]]:
        """All events of a cluster in its own order; the numbers are checked for gaps."""
        found: list[dict[str, Any]] = []
        path = f"/v1/events?cluster={cluster}&limit=500"
        while True:
            page = await self.get(path)
            found += page["events"]
            if "next" not in page:
                break
            path = f"/v1/events?cluster={cluster}&limit=500&after={page['cursor']}"
        found.sort(key=lambda event: int(event["sequence"]))
        assert [int(event["sequence"]) for event in found] == list(range(1, len(found) + 1))
        return found


@asynccontextmanager
async def demo_client(sandbox: Sandbox) -> AsyncIterator[Client]:
    headers = {
        "X-Auth-Token": await issue_token(sandbox.layout.auth_url),
        "OpenStack-API-Version": "container-infra latest",
    }
    async with httpx.AsyncClient(base_url=sandbox.api_url, headers=headers, timeout=20, trust_env=False) as http:
        yield Client(http, sandbox)
