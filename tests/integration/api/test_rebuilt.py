"""A used token that is offered again: a reason to ask Nova, and no way in without its word."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from services.api.deps import Deps
from shared.db.models import Cluster, ClusterSecret, Node, NodeCommand
from shared.operations.node_tokens import SEED_SECRET, TokenSeeds, hash_token, node_token
from shared.pki.cluster_secrets import seal_secret

SEED = "the seed"


@pytest.fixture
async def nodes(user: httpx.AsyncClient, template: dict[str, Any], deps: Deps) -> dict[str, Node]:
    """A master and a worker that have joined, by role."""
    cluster = (await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})).json()["uuid"]
    async with deps.db.transaction() as session:
        sealed = seal_secret(deps.sealer, cluster, SEED_SECRET, SEED)
        session.add(ClusterSecret(cluster_id=cluster, kind=SEED_SECRET, secret=sealed))
        await session.execute(update(Cluster).values(look_at=None))
        rows = list(await session.scalars(select(Node)))
        for row in rows:
            row.state, row.joined_at, row.server_id = "joined", deps.clock(), f"server of {row.name}"
            row.ip_address = "127.0.0.1"  # these tests speak as the machine
    return {row.role: row for row in rows}


async def offer(client: httpx.AsyncClient, node: Node, token: str) -> httpx.Response:
    headers = {b"X-Jeroboam-Token": token.encode("latin-1")}
    return await client.post(f"/v1/nodes/{node.uuid}/credential", headers=headers)


async def look_is_due(deps: Deps) -> bool:
    async with deps.db.transaction() as session:
        return await session.scalar(select(Cluster.look_at)) is not None


async def test_it_opens_nothing_and_nova_is_asked(
    anonymous: httpx.AsyncClient, nodes: dict[str, Node], deps: Deps
) -> None:
    worker = nodes["worker"]
    for guessed in ("guessed", "", "\xff"):
        assert (await offer(anonymous, worker, guessed)).status_code == 401
    assert (await offer(anonymous, worker, node_token(SEED, nodes["master"].uuid))).status_code == 401
    assert not await look_is_due(deps)
    assert (await offer(anonymous, worker, node_token(SEED, worker.uuid))).status_code == 401
    assert await look_is_due(deps)


async def test_a_machine_keeps_its_token_through_a_rotation(
    anonymous: httpx.AsyncClient, nodes: dict[str, Node], deps: Deps
) -> None:
    worker = nodes["worker"]
    seeds = TokenSeeds("another seed", ((deps.clock() + timedelta(hours=1), SEED),))
    async with deps.db.transaction() as session:
        (row,) = await session.scalars(select(ClusterSecret).where(ClusterSecret.kind == SEED_SECRET))
        row.secret = seal_secret(deps.sealer, row.cluster_id, SEED_SECRET, seeds.text)
    assert (await offer(anonymous, worker, node_token("another seed", worker.uuid))).status_code == 401
    assert not await look_is_due(deps)
    assert (await offer(anonymous, worker, node_token(SEED, worker.uuid))).status_code == 401
    assert await look_is_due(deps)


async def test_a_confirmed_rebuild_waits_for_the_removal_of_what_it_was(
    anonymous: httpx.AsyncClient, nodes: dict[str, Node], deps: Deps
) -> None:
    worker, token = nodes["worker"], node_token(SEED, nodes["worker"].uuid)
    async with deps.db.transaction() as session:
        changed = {"state": "failed", "loss": "agent", "token_hash": hash_token(token)}
        await session.execute(update(Node).where(Node.uuid == worker.uuid).values(**changed))
    for _ in range(2):  # the answer to the first one may have been lost
        answer = await offer(anonymous, worker, token)
        assert answer.status_code == 200
    headers = {"Authorization": f"Bearer {answer.json()['credential']}"}
    waiting = await anonymous.get(f"/v1/nodes/{worker.uuid}/bootstrap", headers=headers)
    assert waiting.status_code == 425
    assert "previous membership" in waiting.text
    async with deps.db.transaction() as session:
        (command,) = await session.scalars(select(NodeCommand))
        assert (command.node_id, command.name) == (nodes["master"].uuid, "remove-nodes")
        assert command.args["lost"] == worker.name
    # With the new credential, a heartbeat alone does not make it a member again.
    body = {"kind": "heartbeat", "data": {}}
    assert (await anonymous.post(f"/v1/nodes/{worker.uuid}/reports", json=body, headers=headers)).status_code == 204
    async with deps.db.transaction() as session:
        assert await session.scalar(select(Node.state).where(Node.uuid == worker.uuid)) == "failed"


async def test_without_a_master_it_has_to_wait(
    anonymous: httpx.AsyncClient, nodes: dict[str, Node], deps: Deps
) -> None:
    token = node_token(SEED, nodes["worker"].uuid)
    async with deps.db.transaction() as session:
        await session.execute(update(Node).values(state="failed", loss="agent", token_hash=hash_token(token)))
    answer = await offer(anonymous, nodes["worker"], token)
    assert answer.status_code == 425
    assert "no working master" in answer.text
    assert int(answer.headers["Retry-After"]) > 0
