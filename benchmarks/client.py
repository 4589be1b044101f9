"""A user of the sandbox for benchmarks: creates, waits, deletes, and records the times of events.

Rule: times are seconds since the epoch on the machine's clock. They are recorded where an event occurs (in the
simulated cloud, in the database, at the arrival of a frame), not by polling.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from sandbox.layout import PASSWORD
from sandbox.run import Sandbox
from shared.cloud.lookups import COMPUTE_QUOTAS, NETWORK_QUOTAS

WAIT_SECONDS = 300.0


async def issue_token(auth_url: str, name: str = "demo") -> str:
    """A token of the sandbox's Keystone for the user and project of that name."""
    domain = {"name": "Default"}
    user = {"name": name, "domain": domain, "password": PASSWORD}
    scope = {"project": {"name": name, "domain": domain}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.post(f"{auth_url}/auth/tokens", json=body)
    answer.raise_for_status()
    return str(answer.headers["x-subject-token"])


async def lift_quotas(auth_url: str, project: str) -> None:
    """Remove the sandbox's limits of what clusters use in a project."""
    cloud = auth_url.removesuffix("/identity/v3")
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        client.headers["X-Auth-Token"] = await issue_token(auth_url, "admin")
        for path, name, kinds in (
            ("compute/v2.1/os-quota-sets", "quota_set", COMPUTE_QUOTAS),
            ("network/v2.0/quotas", "quota", NETWORK_QUOTAS),
        ):
            answer = await client.put(f"{cloud}/{path}/{project}", json={name: dict.fromkeys(kinds, -1)})
            answer.raise_for_status()


class User:
    """A user of the API. Every call raises httpx.HTTPStatusError for error responses.

    Args:
        http: a client of the API with the user's token.
        cloud_url: URL of the simulated cloud, for its record of requests.
    """

    def __init__(self, http: httpx.AsyncClient, cloud_url: str) -> None:
        self.http = http
        self._cloud_url = cloud_url

    async def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        answer = await self.http.request(method, path, **request)
        if answer.is_error:
            raise httpx.HTTPStatusError(f"{answer.status_code}: {answer.text}", request=answer.request, response=answer)
        return answer

    async def make_template(self, body: dict[str, Any] | None = None) -> str:
        """Create a template, by default a small one of Kubernetes. Returns its UUID."""
        wanted = body or template_body("bench")
        return str((await self._call("POST", "/v1/clustertemplates", json=wanted)).json()["uuid"])

    async def create(self, template: str, name: str, *, nodes: int = 1) -> str:
        """Create a cluster of one master and `nodes` workers. Returns its UUID."""
        body = {"name": name, "cluster_template_id": template, "master_count": 1, "node_count": nodes}
        return str((await self._call("POST", "/v1/clusters", json=body)).json()["uuid"])

    async def delete(self, cluster: str) -> None:
        await self._call("DELETE", f"/v1/clusters/{cluster}")

    async def statuses(self) -> dict[str, str]:
        """Cluster UUID -> status, of all clusters."""
        rows = (await self._call("GET", "/v1/clusters")).json()["clusters"]
        return {row["uuid"]: row["status"] for row in rows}

    async def wait_gone(self, *, seconds: float = WAIT_SECONDS) -> None:
        """Wait until there are no clusters. Raises RuntimeError if one failed, TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            while left := await self.statuses():
                await self._raise_for(left, "DELETE_FAILED")
                await asyncio.sleep(0.1)

    async def wait_complete(self, count: int, *, seconds: float = WAIT_SECONDS) -> None:
        """Wait until `count` clusters are CREATE_COMPLETE. Raises like `wait_gone`."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.statuses()
                await self._raise_for(found, "CREATE_FAILED")
                if sum(status == "CREATE_COMPLETE" for status in found.values()) >= count:
                    return
                await asyncio.sleep(0.2)

    async def _raise_for(self, found: Mapping[str, str], status: str) -> None:
        """Raise RuntimeError with the reason of a cluster that has the status."""
        for cluster in (uuid for uuid, each in found.items() if each == status):
            shown = (await self._call("GET", f"/v1/clusters/{cluster}")).json()
            raise RuntimeError(f"{status}: {shown['status_reason']}")

    async def stack_posts(self) -> dict[str, float]:
        """Stack name -> the time of the first request to the simulated Heat to create it."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return dict((await client.get(f"{self._cloud_url}/requests")).json()["stack_posts"])

    async def stack_post(self, name: str) -> float:
        """Wait until the creation of the stack was requested. Returns the time of the request."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                posts = await self.stack_posts()
                if name in posts:
                    return posts[name]
                await asyncio.sleep(0.05)


@asynccontextmanager
async def user_of(sandbox: Sandbox) -> AsyncIterator[User]:
    """The sandbox's user `demo`."""
    token = await issue_token(sandbox.layout.auth_url)
    headers = {"X-Auth-Token": token, "OpenStack-API-Version": "container-infra latest"}
    cloud_url = f"http://127.0.0.1:{sandbox.layout.cloud_port}"
    async with httpx.AsyncClient(base_url=sandbox.api_url, headers=headers, timeout=60, trust_env=False) as http:
        yield User(http, cloud_url)


class Moments:
    """When an event of each cluster reached a consumer."""

    def __init__(self) -> None:
        self._first: dict[str, float] = {}
        self._told: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def note(self, cluster: str) -> None:
        """Record an arrival; only the first one counts."""
        self._first.setdefault(cluster, time.time())
        self._told[cluster].set()

    async def wait(self, cluster: str) -> float:
        """Wait for the arrival and return its time. Raises TimeoutError after WAIT_SECONDS."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self._told[cluster].wait()
        return self._first[cluster]


@asynccontextmanager
async def completions(user: User) -> AsyncIterator[Moments]:
    """Record when `cluster.create.completed` arrives on the event stream, during a block."""
    seen = Moments()
    connected = asyncio.Event()

    async def follow() -> None:
        query = {"type": "cluster.create.completed.v1"}
        async with user.http.stream("GET", "/v1/events/stream", params=query) as answer:
            async for line in answer.aiter_lines():
                connected.set()
                if line.startswith("data: "):
                    seen.note(str(json.loads(line[6:])["subject"]).removeprefix("clusters/"))

    task = asyncio.create_task(follow())
    try:
        async with asyncio.timeout(30):
            await connected.wait()
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def template_body(name: str) -> dict[str, Any]:
    """The body of a template with an image and flavor of the sandbox."""
    return {
        "name": name,
        "coe": "kubernetes",
        "image_id": "ubuntu-24.04",
        "external_network_id": "public",
        "flavor_id": "m1.small",
        "master_flavor_id": "m1.small",
        "floating_ip_enabled": False,
    }
