"""What a user does to servers behind Jeroboam's back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from sandbox.run import Sandbox
from tests.support.client import issue_token


class NovaUser:
    """A user of the simulated Nova."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def delete(self, server_id: str) -> None:
        """Delete a server and wait until Nova does not know it."""
        assert (await self._http.delete(f"/servers/{server_id}")).status_code == 204
        deadline = time.monotonic() + 30
        while (await self._http.get(f"/servers/{server_id}")).status_code != 404:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    async def act(self, server_id: str, action: str, **arguments: Any) -> None:
        done = await self._http.post(f"/servers/{server_id}/action", json={action: arguments or None})
        assert done.status_code == 202, done.text

    async def rebuild(self, server_id: str) -> None:
        """Rebuild with the image that it has."""
        await self.act(server_id, "rebuild", imageRef=(await self.show(server_id))["image"]["id"])

    async def show(self, server_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._http.get(f"/servers/{server_id}")).json()["server"]
        return found


@asynccontextmanager
async def nova_user(sandbox: Sandbox, user: str = "demo", project: str = "demo") -> AsyncIterator[NovaUser]:
    token = await issue_token(sandbox.layout.auth_url, user, project)
    url = f"http://127.0.0.1:{sandbox.layout.cloud_port}/compute/v2.1"
    async with httpx.AsyncClient(base_url=url, headers={"X-Auth-Token": token}, trust_env=False, timeout=20) as http:
        yield NovaUser(http)
