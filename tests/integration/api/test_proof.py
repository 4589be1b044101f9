"""A one-time token is accepted from its own machine only, whoever else has read it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from services.api.deps import Deps
from shared.cloud.types import Server
from shared.db.models import Node
from shared.domain.errors import PermanentError, TemporaryError
from shared.domain.states import NodeState
from shared.operations.node_tokens import hash_token

SECRET = "5e" * 32
HASH = hashlib.sha256(SECRET.encode()).hexdigest()


class Machines:
    """Nova, as far as it is asked here."""

    def __init__(self) -> None:
        self.server: Server | None = Server(
            "s1", "n", "ACTIVE", addresses=("10.0.0.7", "203.0.113.9"), floating_ips=("203.0.113.9",)
        )
        self.console = ""
        self.failure: Exception | None = None
        self.asked: list[str] = []

    async def find_node_server(self, name: str, *, node_id: str) -> Server | None:
        self.asked.append(node_id)
        return self.server

    async def console_output(self, server_id: str, *, lines: int) -> str:
        if self.failure is not None:
            raise self.failure
        return self.console


@pytest.fixture
async def worker(user: httpx.AsyncClient, template: dict[str, Any], deps: Deps) -> str:
    """A worker whose server is being created and whose token is `token`."""
    await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})
    async with deps.db.transaction() as session:
        (row,) = await session.scalars(select(Node).where(Node.role == "worker"))
        row.token_hash, row.state = hash_token("token"), NodeState.CREATING
    return row.uuid


@pytest.fixture
def machines(deps: Deps, monkeypatch: pytest.MonkeyPatch) -> Machines:
    found = Machines()
    monkeypatch.setattr(deps.clouds, "for_project", lambda project: found)
    return found


Offer = Callable[..., Any]


@pytest.fixture
def offer(anonymous: httpx.AsyncClient, worker: str) -> Offer:
    async def call(proof: str = SECRET, token: str = "token") -> httpx.Response:
        headers = {"X-Jeroboam-Token": token, "X-Jeroboam-Proof": proof}
        return await anonymous.post(f"/v1/nodes/{worker}/credential", headers=headers)

    return call


async def told(user: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await user.get("/v1/events?type=node.impersonated.v1")).json()["events"]


async def row_of(deps: Deps, node: str) -> Node:
    async with deps.db.transaction() as session:
        found = await session.get(Node, node)
    assert found is not None
    return found


async def test_a_token_alone_opens_nothing_and_the_project_is_told_once(
    user: httpx.AsyncClient, worker: str, machines: Machines, offer: Offer, deps: Deps
) -> None:
    machines.console = f"boot\njeroboam-agent: {worker} {'0' * 64}\n"
    for proof in ("", SECRET, "x", "5E" * 32):
        assert (await offer(proof)).status_code == 403
    (event,) = await told(user)
    assert event["data"]["node_id"] == worker
    assert "its one-time token was offered from 127.0.0.1" in event["data"]["reason"]
    assert (await row_of(deps, worker)).credential_hash is None


async def test_what_is_no_token_is_not_worth_a_question(user: Any, machines: Machines, offer: Offer) -> None:
    assert (await offer(token="wrong")).status_code == 401
    assert (machines.asked, await told(user)) == ([], [])


async def test_the_console_proves_it(
    user: httpx.AsyncClient, worker: str, machines: Machines, offer: Offer, deps: Deps
) -> None:
    machines.console = f"boot\njeroboam-agent: {worker} {HASH}\nlogin:"
    answer = await offer()
    assert answer.status_code == 200, answer.text
    row = await row_of(deps, worker)
    assert (row.ip_address, row.floating_ip) == ("10.0.0.7", "203.0.113.9"), "the addresses that Neutron gave"
    assert await told(user) == []


async def test_the_console_of_another_node_proves_nothing(machines: Machines, offer: Offer) -> None:
    machines.console = f"jeroboam-agent: 00000000-0000-4000-8000-000000000001 {HASH}\n"
    assert (await offer()).status_code == 403


async def test_the_address_proves_it(machines: Machines, offer: Offer) -> None:
    machines.server = Server("s1", "n", "ACTIVE", addresses=("127.0.0.1",))
    assert (await offer("")).status_code == 200


async def test_what_cannot_be_decided_is_asked_again(user: Any, machines: Machines, offer: Offer) -> None:
    machines.server, server = None, machines.server
    answer = await offer()
    assert (answer.status_code, answer.headers["Retry-After"]) == (425, "5")
    machines.server, machines.failure = server, TemporaryError("Nova is away")
    assert (await offer()).status_code == 425
    assert await told(user) == []


async def test_a_cloud_without_consoles_leaves_the_address(machines: Machines, offer: Offer) -> None:
    machines.failure = PermanentError("not implemented")
    assert (await offer()).status_code == 403


async def test_an_operator_can_do_without(machines: Machines, offer: Offer, deps: Deps) -> None:
    deps.settings.node_proofs = []
    assert (await offer("")).status_code == 200
    assert machines.asked == []


async def test_a_node_that_has_joined_gets_no_bootstrap_again(
    anonymous: httpx.AsyncClient, worker: str, machines: Machines, offer: Offer, deps: Deps
) -> None:
    deps.settings.node_proofs = []
    headers = {"Authorization": f"Bearer {(await offer()).json()['credential']}"}
    async with deps.db.transaction() as session:
        row = await session.get(Node, worker)
        assert row is not None
        row.state = NodeState.JOINED
    refused = await anonymous.get(f"/v1/nodes/{worker}/bootstrap", headers=headers)
    assert refused.status_code == 403 and "has joined" in refused.text
