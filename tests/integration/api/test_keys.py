"""The envelope's keys: replaced while the API serves, reported while one is missing, and the command for operators."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr
from sqlalchemy import select, update

from jeroboam.driver import Fact
from services.api.app import create_app
from services.api.deps import Deps
from shared.db.models import ClusterSecret, Node
from shared.drivers.registry import find_driver
from shared.pki import stored_keys
from shared.pki.cluster_secrets import ensure_cluster_secrets, load_cluster_secrets
from shared.pki.node_facts import load_facts, store_facts
from shared.pki.sealing import MissingKey, Sealer, new_key
from shared.pki.stored_keys import keys_in_use, reseal

DECLARED = {"token": Fact(secret=True), "version": Fact()}


@pytest.fixture
async def cluster(user: httpx.AsyncClient, template: dict[str, Any], deps: Deps) -> str:
    """A cluster with keys, a secret fact and a fact that is none, and a webhook whose secret was rotated."""
    answer = await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})
    uuid: str = answer.json()["uuid"]
    driver = find_driver("kubernetes", "ubuntu", "vm")
    assert driver is not None
    await ensure_cluster_secrets(deps.db, deps.sealer, cluster_id=uuid, cluster_name="c1", kinds=driver.engine.secrets)
    async with deps.db.transaction() as session:
        node = (await session.scalars(select(Node).where(Node.cluster_id == uuid).limit(1))).one()
        await store_facts(session, deps.sealer, node.uuid, {"token": "t0", "version": "1"}, DECLARED)
    hook = await user.post("/v1/webhooks", json={"name": "w", "url": "https://hooks.example.org/"})
    assert hook.status_code == 201, hook.text
    assert (await user.post(f"/v1/webhooks/{hook.json()['uuid']}/rotate-secret", json={})).status_code == 200
    return uuid


def secrets(deps: Deps) -> list[str]:
    return [key.get_secret_value() for key in deps.settings.secret_keys]


async def command(deps: Deps, keys: list[str], *words: str) -> tuple[int, str, str]:
    """`jeroboam keys ...` as an operator runs it."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "JEROBOAM_DATABASE_URL": deps.settings.database_url.get_secret_value(),
        "JEROBOAM_SECRET_KEYS": json.dumps(keys),
        "JEROBOAM_CLOUD__AUTH_URL": deps.settings.cloud.auth_url,
        "JEROBOAM_CLOUD__USERNAME": "none",
        "JEROBOAM_CLOUD__PASSWORD": "none",
        "JEROBOAM_CLOUD__PROJECT_NAME": "none",
    }
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("jeroboam"), "keys", *words,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_key_is_retired_with_two_commands(deps: Deps, cluster: str) -> None:
    old, new = secrets(deps)[0], new_key()
    async with deps.db.transaction() as session:
        before = await load_cluster_secrets(session, deps.sealer, cluster)
    old_id = deps.sealer.key_ids[0]

    status, out, err = await command(deps, [new, old], "reencrypt")
    assert (status, err) == (0, "")
    for line in ("secrets of clusters: 5", "facts of nodes: 1", "secrets of webhooks: 1", "old secrets of webhooks: 1"):
        assert line in out
    status, out, err = await command(deps, [new, old], "list")
    assert (status, err) == (0, "")
    assert "encrypts" in out
    assert next(line for line in out.splitlines() if old_id in line).count("can be removed") == 1
    assert "the other keys can be removed" in (await command(deps, [new, old], "reencrypt"))[1]

    sealer = Sealer([SecretStr(new)])
    async with deps.db.transaction() as session:
        assert await load_cluster_secrets(session, sealer, cluster) == before
        assert list((await load_facts(session, sealer, cluster)).values()) == [{"token": "t0", "version": "1"}]


async def test_what_no_key_decrypts_is_named_and_left(
    deps: Deps, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_keys, "BATCH", 2)
    other, new = Sealer([SecretStr(new_key())]), new_key()
    async with deps.db.transaction() as session:
        mine = ClusterSecret.cluster_id == cluster
        sealed = other.seal(b"x", "elsewhere")
        await session.execute(update(ClusterSecret).where(mine, ClusterSecret.kind == "etcd").values(secret=sealed))
    result = await reseal(deps.db, Sealer([SecretStr(new), *deps.settings.secret_keys]))
    assert (result.unreadable, result.done["secrets of clusters"]) == (1, 4)
    assert f"cluster {cluster} etcd" in result.reasons[0]
    assert other.key_ids[0] in result.reasons[0]
    async with deps.db.transaction() as session:
        assert (await keys_in_use(session))[other.key_ids[0]] == {"secrets of clusters": 1}
    status, out, _ = await command(deps, [new], "list")
    assert status == 1
    assert "missing" in next(line for line in out.splitlines() if other.key_ids[0] in line)


async def test_a_missing_key_is_a_fault_of_the_service(deps: Deps, cluster: str, user: httpx.AsyncClient) -> None:
    with pytest.raises(MissingKey):
        async with deps.db.transaction() as session:
            await load_cluster_secrets(session, Sealer([SecretStr(new_key())]), cluster)
    without = replace(deps, sealer=Sealer([SecretStr(new_key())]))
    async with (
        LifespanManager(create_app(without)) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(manager.app, raise_app_exceptions=False),
            base_url="http://api.test",
            headers={"X-Auth-Token": user.headers["X-Auth-Token"]},
        ) as client,
    ):
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["parts"]["keys"]) == (503, "failed")
        answer = await client.get(f"/v1/certificates/{cluster}")
        assert answer.status_code == 500
        assert answer.headers["x-openstack-request-id"].startswith("req-")
        assert "key" not in answer.json()["errors"][0]["detail"]
