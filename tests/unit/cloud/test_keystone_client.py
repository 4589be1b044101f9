"""Our own Keystone client: when it logs in again, and whom it blames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
from pydantic import SecretStr

from shared.cloud.keystone import Keystone
from shared.cloud.settings import CloudSettings
from shared.domain.errors import NotFound, PermanentError, TemporaryError

SETTINGS = CloudSettings(
    auth_url="http://keystone.test/",
    username="jeroboam",
    password=SecretStr("secret"),
    service_roles=("member", "load-balancer_member"),
)
Handler = Callable[[httpx.Request], httpx.Response]


class Server:
    """Keystone's wire, as far as the client uses it."""

    def __init__(self) -> None:
        self.logins = 0
        self.accepted = "token-1"
        self.password = "secret"
        self.requests: list[tuple[str, str]] = []
        self.other: Handler = lambda request: httpx.Response(404, json={"error": {"message": "nothing here"}})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path == "/v3/auth/tokens":
            user = json.loads(request.content)["auth"]["identity"]["password"]["user"]
            if user["password"] != self.password:
                return httpx.Response(401, json={"error": {"message": "requires authentication"}})
            self.logins += 1
            self.accepted = f"token-{self.logins}"
            body = {"token": {"user": {"id": "service-user", "name": "jeroboam"}}}
            return httpx.Response(201, json=body, headers={"X-Subject-Token": self.accepted})
        self.requests.append((request.method, request.url.path))
        if request.headers["X-Auth-Token"] != self.accepted:
            return httpx.Response(401, json={"error": {"message": "expired"}})
        return self.other(request)

    def client(self) -> Keystone:
        return Keystone(SETTINGS, transport=httpx.MockTransport(self))


async def test_a_login_is_shared_and_renewed_when_refused() -> None:
    server = Server()
    server.other = lambda request: httpx.Response(200, json={"token": {}})
    client = server.client()
    await asyncio.gather(*(client.validate("somebody") for _ in range(10)))
    assert server.logins == 1
    server.accepted = "another"  # ours has expired
    await asyncio.gather(*(client.validate("somebody") for _ in range(10)))
    assert server.logins == 2
    await client.close()


async def test_an_unknown_token_is_none_and_a_broken_keystone_is_temporary() -> None:
    server = Server()
    client = server.client()
    assert await client.validate("unknown") is None
    server.other = lambda request: httpx.Response(503, headers={"Retry-After": "9"})
    with pytest.raises(TemporaryError) as caught:
        await client.validate("unknown")
    assert caught.value.delay == 9
    await client.close()


async def test_nobody_there_is_temporary() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    client = Keystone(SETTINGS, transport=httpx.MockTransport(refuse))
    with pytest.raises(TemporaryError, match="connection refused"):
        await client.login()
    await client.close()


async def test_a_wrong_password_is_ours_and_permanent() -> None:
    server = Server()
    server.password = "changed"
    client = server.client()
    with pytest.raises(PermanentError, match="rejects the service user 'jeroboam'"):
        await client.login()
    server.password = "secret"
    await client.login()
    await client.close()


async def test_keystone_that_refuses_a_fresh_token_is_temporary() -> None:
    server = Server()
    server.other = lambda request: httpx.Response(401, json={"error": {"message": "no"}})
    client = server.client()
    with pytest.raises(TemporaryError):
        await client.validate("somebody")
    assert server.logins == 2
    await client.close()


async def test_a_service_user_without_admin_is_told_so() -> None:
    server = Server()
    server.other = lambda request: httpx.Response(403, json={"error": {"message": "not authorized"}})
    client = server.client()
    with pytest.raises(PermanentError, match="needs the role admin"):
        await client.validate("somebody")
    await client.close()


def roles(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/v3/roles":
        name = request.url.params["name"]
        return httpx.Response(200, json={"roles": [{"id": f"id-{name}"}] if name != "gone" else []})
    return httpx.Response(204)


async def test_every_role_is_assigned_and_looked_up_once() -> None:
    server = Server()
    server.other = roles
    client = server.client()
    await client.assign_roles("p1")
    await client.assign_roles("p2")
    paths = [path for method, path in server.requests if method == "PUT"]
    assert paths == [
        f"/v3/projects/{project}/users/service-user/roles/id-{role}"
        for project in ("p1", "p2")
        for role in ("member", "load-balancer_member")
    ]
    assert sum(path == "/v3/roles" for _, path in server.requests) == 2
    await client.close()


async def test_projects() -> None:
    server = Server()
    server.other = lambda request: httpx.Response(200, json={"project": {"enabled": True}})
    client = server.client()
    assert await client.project_exists("p1")
    server.other = lambda request: httpx.Response(200, json={"project": {"enabled": False}})
    assert not await client.project_exists("p1")
    server.other = lambda request: httpx.Response(404)
    assert not await client.project_exists("p1")
    assert not await client.project_exists("..")
    with pytest.raises(NotFound):
        await client.assign_roles("..")
    await client.close()
