"""The agent's protocol, as a node speaks it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import delete, select, update

from services.api.deps import Deps
from services.api.nodes import command_watch
from shared.db.engine import notify
from shared.db.models import Cluster, ClusterSecret, Node, NodeCommand, Nodegroup
from shared.domain.ids import new_id
from shared.domain.states import NodeState
from shared.drivers.registry import find_driver
from shared.operations.node_commands import CHANNEL as COMMANDS_CHANNEL
from shared.operations.node_tokens import hash_token
from shared.pki.cluster_secrets import ensure_cluster_secrets


@pytest.fixture
async def nodes(user: httpx.AsyncClient, template: dict[str, Any], deps: Deps) -> list[str]:
    """A master and a worker whose one-time tokens are `token-master` and `token-worker`."""
    answer = await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})
    cluster = answer.json()["uuid"]
    driver = find_driver("kubernetes", "ubuntu", "vm")
    assert driver is not None
    await ensure_cluster_secrets(
        deps.db, deps.sealer, cluster_id=cluster, cluster_name="c1", kinds=driver.engine.secrets
    )
    async with deps.db.transaction() as session:
        rows = list(await session.scalars(select(Node).order_by(Node.role)))
        for row in rows:
            row.token_hash = hash_token(f"token-{row.role}")
            row.state = NodeState.CREATING
            row.ip_address = "127.0.0.1"  # these tests speak as the machine
        outputs = {"api_address": "203.0.113.7", "api_private_address": "10.0.0.4"}
        await session.execute(update(Cluster).where(Cluster.uuid == cluster).values(base_outputs=outputs))
    return [row.uuid for row in rows]


async def credential(client: httpx.AsyncClient, node: str, token: str) -> dict[str, str]:
    answer = await client.post(f"/v1/nodes/{node}/credential", headers={"X-Jeroboam-Token": token})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['credential']}"}


async def test_a_token_opens_the_door_until_its_credential_is_used(
    anonymous: httpx.AsyncClient, nodes: list[str]
) -> None:
    master, worker = nodes
    for token in ("", "wrong", "token-worker"):
        refused = await anonymous.post(f"/v1/nodes/{master}/credential", headers={"X-Jeroboam-Token": token})
        assert refused.status_code == 401
    lost = await credential(anonymous, master, "token-master")
    kept = await credential(anonymous, master, "token-master")
    url = f"/v1/nodes/{master}/commands"
    assert (await anonymous.get(url, headers=lost)).status_code == 401, "the newer credential replaces the lost one"
    assert (await anonymous.get(url, headers=kept)).json() == {"commands": []}
    used_up = await anonymous.post(f"/v1/nodes/{master}/credential", headers={"X-Jeroboam-Token": "token-master"})
    assert used_up.status_code == 401
    assert (await anonymous.get(f"/v1/nodes/{worker}/commands", headers=kept)).status_code == 401
    assert (await anonymous.get(url)).status_code == 401


async def test_workers_wait_for_the_first_master(anonymous: httpx.AsyncClient, nodes: list[str], deps: Deps) -> None:
    master, worker = nodes
    masters = await credential(anonymous, master, "token-master")
    workers = await credential(anonymous, worker, "token-worker")
    early = await anonymous.get(f"/v1/nodes/{worker}/bootstrap", headers=workers)
    assert early.status_code == 425
    assert int(early.headers["retry-after"]) > 0
    got = await anonymous.get(f"/v1/nodes/{master}/bootstrap", headers=masters)
    assert got.status_code == 200, got.text
    assert got.json()["script"].startswith("#!/bin/sh")

    for kind in ("announced", "joined", "joined"):
        body = {"kind": kind, "addresses": ["10.0.0.5"], "data": {"version": "v1.34.1"}}
        said = await anonymous.post(f"/v1/nodes/{master}/reports", headers=masters, json=body)
        assert said.status_code == 204, said.text
    assert (await anonymous.get(f"/v1/nodes/{worker}/bootstrap", headers=workers)).status_code == 200
    async with deps.db.transaction() as session:
        row = await session.get(Node, master)
        assert row is not None
        assert (row.state, row.version) == ("joined", "v1.34.1")
        assert row.ip_address == "127.0.0.1", "what a node says of its addresses is not believed"


async def test_nodes_of_a_cluster_of_an_earlier_version_join(
    anonymous: httpx.AsyncClient, nodes: list[str], deps: Deps
) -> None:
    """It has no secret for passwords; until its first rotation they are derived from another one."""
    async with deps.db.transaction() as session:
        await session.execute(delete(ClusterSecret).where(ClusterSecret.kind == "passwords"))
    headers = await credential(anonymous, nodes[0], "token-master")
    assert (await anonymous.get(f"/v1/nodes/{nodes[0]}/bootstrap", headers=headers)).status_code == 200


async def test_a_failure_is_seen_with_its_reason(
    anonymous: httpx.AsyncClient, user: httpx.AsyncClient, nodes: list[str]
) -> None:
    headers = await credential(anonymous, nodes[1], "token-worker")
    body = {"kind": "failed", "reason": "disk full"}
    assert (await anonymous.post(f"/v1/nodes/{nodes[1]}/reports", headers=headers, json=body)).status_code == 204
    shown = (await user.get(f"/v1/clusters/c1/nodes/{nodes[1]}")).json()
    assert (shown["state"], shown["reason"]) == ("failed", "disk full")
    events = (await user.get("/v1/events?type=node.*")).json()["events"]
    assert [event["data"]["reason"] for event in events] == ["disk full"]
    for bad in ({"kind": "dancing"}, {"kind": "joined", "addresses": ["x"]}, {"kind": "joined", "data": {"a": "\x00"}}):
        refused = await anonymous.post(f"/v1/nodes/{nodes[1]}/reports", headers=headers, json=bad)
        assert refused.status_code == 400


async def test_a_node_cannot_become_somebody_else(anonymous: httpx.AsyncClient, nodes: list[str]) -> None:
    headers = await credential(anonymous, nodes[1], "token-worker")
    key = ec.generate_private_key(ec.SECP256R1())
    wish = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "admin"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"),
        ]
    )
    csr = x509.CertificateSigningRequestBuilder().subject_name(wish).sign(key, hashes.SHA256())
    pem = csr.public_bytes(serialization.Encoding.PEM).decode()
    answer = await anonymous.post(f"/v1/nodes/{nodes[1]}/csr", headers=headers, json={"csr": pem})
    assert answer.status_code == 200, answer.text
    certificate = x509.load_pem_x509_certificate(answer.json()["certificate"].encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(answer.json()["ca"].encode()))
    assert certificate.subject.rfc4514_string().endswith("O=system:nodes")
    assert "CN=system:node:c1-" in certificate.subject.rfc4514_string()
    # As a shell script asks, which has no JSON parser.
    alone = await anonymous.post(
        f"/v1/nodes/{nodes[1]}/csr", headers=headers | {"Accept": "application/x-pem-file"}, json={"csr": pem}
    )
    assert alone.text.startswith("-----BEGIN CERTIFICATE-----")
    assert x509.load_pem_x509_certificate(alone.content).subject == certificate.subject


async def test_commands_are_waited_for(anonymous: httpx.AsyncClient, nodes: list[str], deps: Deps) -> None:
    headers = await credential(anonymous, nodes[0], "token-master")
    url = f"/v1/nodes/{nodes[0]}/commands"
    waiting = asyncio.create_task(anonymous.get(f"{url}?wait=30", headers=headers))
    command = NodeCommand(id=new_id(), node_id=nodes[0], name="drain", args={"grace": 30})
    async with deps.db.transaction() as session:
        session.add(command)
        await notify(session, COMMANDS_CHANNEL)
    got = await asyncio.wait_for(waiting, 20)
    assert got.json() == {"commands": [{"id": command.id, "name": "drain", "args": {"grace": 30}}]}
    result = f"{url}/{command.id}/result"
    for ok in (True, False):
        assert (await anonymous.post(result, headers=headers, json={"ok": ok, "output": "done"})).status_code == 204
    assert (await anonymous.get(url, headers=headers)).json() == {"commands": []}
    async with deps.db.transaction() as session:
        stored = await session.get(NodeCommand, command.id)
        assert stored is not None
        assert (stored.ok, stored.output) == (True, "done"), "the first result stands"
    assert (await anonymous.post(f"{url}/{new_id()}/result", headers=headers, json={"ok": True})).status_code == 404


async def give(deps: Deps, node: str) -> str:
    command = NodeCommand(id=new_id(), node_id=node, name="remove-nodes", args={})
    async with deps.db.transaction() as session:
        session.add(command)
    return command.id


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ({"ok": True}, {}),
        ({"ok": True, "results": {}, "output": "well"}, {}),
        ({"ok": True, "results": {"not_drained.w-1": "a pod stays"}}, {"not_drained.w-1": "a pod stays"}),
        ({"ok": False, "results": {"a/b": ""}, "output": "not drained w-1: x"}, {"a/b": ""}),
        ({"ok": True, "output": "not drained w-1: a pod stays\n"}, {"not_drained.w-1": "a pod stays"}),
    ],
)
async def test_results_are_stored_as_data(
    anonymous: httpx.AsyncClient, nodes: list[str], deps: Deps, told: dict[str, Any], stored: dict[str, str]
) -> None:
    headers = await credential(anonymous, nodes[0], "token-master")
    command = await give(deps, nodes[0])
    answer = await anonymous.post(f"/v1/nodes/{nodes[0]}/commands/{command}/result", headers=headers, json=told)
    assert answer.status_code == 204, answer.text
    async with deps.db.transaction() as session:
        row = await session.get(NodeCommand, command)
        assert row is not None
        assert row.results == stored


@pytest.mark.parametrize(
    "results",
    [
        [],
        "x",
        {"a b": "x"},
        {"a": 1},
        {"a": "two\nlines"},
        {"a": "x" * 1001},
        {"a" * 201: "x"},
        {f"n{number}": "x" for number in range(101)},
    ],
)
async def test_results_of_another_form_are_refused(
    anonymous: httpx.AsyncClient, nodes: list[str], deps: Deps, results: Any
) -> None:
    headers = await credential(anonymous, nodes[0], "token-master")
    command = await give(deps, nodes[0])
    url = f"/v1/nodes/{nodes[0]}/commands/{command}/result"
    assert (await anonymous.post(url, headers=headers, json={"ok": True, "results": results})).status_code == 400
    assert (await anonymous.post(url, headers=headers, json={"ok": True})).status_code == 204, "it can be said again"


async def test_a_command_nobody_told_of_is_found_by_the_poll(
    anonymous: httpx.AsyncClient, nodes: list[str], deps: Deps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_watch, "POLL_SECONDS", 0.05)
    headers = await credential(anonymous, nodes[0], "token-master")
    url = f"/v1/nodes/{nodes[0]}/commands?wait=30"
    waiting = asyncio.create_task(anonymous.get(url, headers=headers))
    async with deps.db.transaction() as session:
        session.add(NodeCommand(id=new_id(), node_id=nodes[0], name="reset", args={}))
    got = await asyncio.wait_for(waiting, 20)
    assert [command["name"] for command in got.json()["commands"]] == ["reset"]
    assert (await anonymous.get(url, headers=headers)).json() == got.json(), "given again until its result is there"


async def test_a_wait_ends_when_the_process_stops(anonymous: httpx.AsyncClient, nodes: list[str], deps: Deps) -> None:
    headers = await credential(anonymous, nodes[0], "token-master")
    waiting = asyncio.create_task(anonymous.get(f"/v1/nodes/{nodes[0]}/commands?wait=60", headers=headers))
    while nodes[0] not in deps.commands._waiting:
        assert not waiting.done()
        await asyncio.sleep(0.01)
    deps.close_waiters()
    assert (await asyncio.wait_for(waiting, 10)).json() == {"commands": []}


async def test_a_node_that_is_being_removed_is_told_to_stop(
    anonymous: httpx.AsyncClient, nodes: list[str], deps: Deps
) -> None:
    headers = await credential(anonymous, nodes[1], "token-worker")
    async with deps.db.transaction() as session:
        await session.execute(update(Node).values(state=NodeState.REMOVING))
    answer = await anonymous.post(f"/v1/nodes/{nodes[1]}/reports", headers=headers, json={"kind": "joined"})
    assert answer.status_code == 409
    refused = await anonymous.post(f"/v1/nodes/{nodes[0]}/credential", headers={"X-Jeroboam-Token": "token-master"})
    assert refused.status_code == 401


async def test_faults_name_nodegroups_and_nodes(
    anonymous: httpx.AsyncClient, user: httpx.AsyncClient, nodes: list[str], deps: Deps
) -> None:
    headers = await credential(anonymous, nodes[1], "token-worker")
    body = {"kind": "failed", "reason": "disk full", "addresses": ["10.0.0.9"]}
    await anonymous.post(f"/v1/nodes/{nodes[1]}/reports", headers=headers, json=body)
    failed = {"status": "CREATE_FAILED", "status_reason": "one node failed"}
    async with deps.db.transaction() as session:
        await session.execute(update(Cluster).values(**failed))
        await session.execute(update(Nodegroup).where(Nodegroup.role == "worker").values(**failed))
    shown = (await user.get("/v1/clusters/c1")).json()
    name = (await user.get(f"/v1/clusters/c1/nodes/{nodes[1]}")).json()["name"]
    assert shown["faults"] == {"default-worker": "one node failed", name: "disk full"}
    assert shown["node_addresses"] == ["127.0.0.1"], "what a node says of its addresses is not believed"


@pytest.mark.parametrize(
    "facts",
    [
        {"unknown": "x"},
        {"Bad Name": "x"},
        {"a": "two\nlines"},
        {"a": "x" * 5000},
        {f"f{number}": "x" for number in range(33)},
        {"a": 1},
        "text",
    ],
)
async def test_facts_are_declared_and_bounded(anonymous: httpx.AsyncClient, nodes: list[str], facts: object) -> None:
    headers = await credential(anonymous, nodes[0], "token-master")
    answer = await anonymous.post(
        f"/v1/nodes/{nodes[0]}/reports", headers=headers, json={"kind": "facts", "facts": facts}
    )
    assert answer.status_code == 400
    assert "fact" in answer.json()["errors"][0]["detail"]
