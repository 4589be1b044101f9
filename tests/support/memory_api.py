"""The API in this process on a database of the test's own, with a cloud that answers from memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx
from asgi_lifespan import LifespanManager
from pydantic import SecretStr
from sqlalchemy import CursorResult, text

from services.api.app import create_app
from services.api.deps import Deps, make_deps
from shared.cloud.settings import CloudSettings
from shared.db.engine import Database
from shared.pki.sealing import new_key
from shared.settings import Settings
from tests.support.memory_cloud import MemoryClouds

TEMPLATE = {"name": "t1", "coe": "kubernetes", "image_id": "ubuntu", "flavor_id": "small", "master_lb_enabled": True}


@dataclass(frozen=True)
class MemoryApi:
    """Args: client: asks as a member of project p1, in the latest version."""

    deps: Deps
    client: httpx.AsyncClient

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.deps.db.transaction() as session:
            found = cast(CursorResult[Any], await session.execute(text(statement), values))
            return list(found.scalars()) if found.returns_rows else []

    async def built(self, name: str = "c1", **fields: Any) -> str:
        """The uuid of a cluster whose create has ended well; its template is `t1`."""
        if (await self.client.get("/v1/clustertemplates/t1")).status_code == 404:
            assert (await self.client.post("/v1/clustertemplates", json=TEMPLATE)).status_code == 201
        body = {"name": name, "cluster_template_id": "t1", "labels": {"x": "1"}, **fields}
        answer = await self.client.post("/v1/clusters", json=body)
        assert answer.status_code == 202, answer.text
        uuid: str = answer.json()["uuid"]
        await self.end_operation(uuid)
        outputs = json.dumps({"api_address": "192.0.2.1"})
        await self.sql(
            "UPDATE clusters SET api_address = 'https://192.0.2.1:6443', base_outputs = cast(:outputs AS jsonb) "
            "WHERE uuid = :uuid",
            uuid=uuid,
            outputs=outputs,
        )
        return uuid

    async def end_operation(self, cluster: str, status: str = "CREATE_COMPLETE") -> None:
        """End the live operation and set the statuses, as a service would."""
        state = "failed" if status.endswith("FAILED") else "succeeded"
        await self.sql(
            f"UPDATE operations SET state = '{state}', finished_at = now(), lease_token = NULL, lease_until = NULL "
            "WHERE cluster_id = :uuid AND state IN ('queued', 'waiting', 'running')",
            uuid=cluster,
        )
        for table, column in (("clusters", "uuid"), ("nodegroups", "cluster_id")):
            await self.sql(f"UPDATE {table} SET status = :status WHERE {column} = :uuid", status=status, uuid=cluster)

    async def operation(self, cluster: str) -> dict[str, Any]:
        """The cluster's latest operation."""
        listed = (await self.client.get(f"/v1/clusters/{cluster}/operations?limit=1")).json()["operations"]
        found: dict[str, Any] = listed[0]
        return found

    async def statuses(self, cluster: str) -> dict[str, str]:
        """Of the cluster and its nodegroups, by name."""
        shown = (await self.client.get(f"/v1/clusters/{cluster}")).json()
        groups = (await self.client.get(f"/v1/clusters/{cluster}/nodegroups")).json()["nodegroups"]
        return {"cluster": shown["status"]} | {group["name"]: group["status"] for group in groups}


def memory_deps(database: Database, database_url: str, **settings: Any) -> Deps:
    """The API's dependencies with a cloud in memory."""
    clouds: Any = MemoryClouds()
    return make_deps(
        Settings(
            database_url=SecretStr(database_url),
            secret_keys=[SecretStr(new_key())],
            cloud=CloudSettings(auth_url="http://keystone.test/v3", username="j", password=SecretStr("x")),
            # Tests change the cloud while the API runs; the cache has tests of its own.
            preflight_cache_seconds=0,
            preflight_quota_seconds=0,
            **settings,
        ),
        database,
        clouds,
    )


@asynccontextmanager
async def memory_api(database: Database, database_url: str, **settings: Any) -> AsyncIterator[MemoryApi]:
    deps = memory_deps(database, database_url, **settings)
    app = create_app(deps)
    async with LifespanManager(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"X-Auth-Token": "user", "OpenStack-API-Version": "container-infra latest"}
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as client:
            yield MemoryApi(deps, client)


def detail(answer: httpx.Response) -> str:
    """What a refusal says."""
    found: str = answer.json()["errors"][0]["detail"]
    return found


def change(op: str, path: str, value: Any = None) -> dict[str, Any]:
    """One operation of a JSON patch."""
    return {"op": op, "path": path} | ({} if value is None else {"value": value})
