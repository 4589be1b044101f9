"""Every route x everybody: what each is answered, in one table.

Rule: no cell is empty. A route without a row fails `test_every_route_has_a_row`, and a row without a route too. Whoever
belongs to another project must not find so much as an identifier of ours in an answer.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text
from starlette.routing import Route

from services.api.app import create_app
from services.api.deps import Deps, make_deps
from shared.cloud.contract import CloudFactory
from shared.cloud.settings import CloudSettings
from shared.cloud.types import Identity
from shared.db.engine import Database
from shared.limit_settings import LimitSettings
from shared.pki.sealing import new_key
from shared.settings import Settings, WebhookSettings
from tests.support.memory_cloud import MemoryClouds

CALLERS = ("no token", "expired", "stranger", "service", "reader", "user", "admin")
Codes = tuple[int, int, int, int, int, int, int]


def everybody(code: int) -> Codes:
    return (code,) * 7


def with_token(code: int) -> Codes:
    return (401, 401, code, code, code, code, code)


def lists(code: int = 200) -> Codes:
    """Each project sees its own; a service user without a role there sees nothing."""
    return (401, 401, code, 403, code, code, code)


def reads(code: int = 200) -> Codes:
    return (401, 401, 404, 404, code, code, code)


def changes(code: int) -> Codes:
    return (401, 401, 404, 404, 403, code, code)


def creates(code: int) -> Codes:
    return (401, 401, code, 403, 403, code, code)


def admins(code: int) -> Codes:
    return (401, 401, 403, 403, 403, 403, code)


@dataclass(frozen=True)
class Row:
    """Args: codes: in the order of CALLERS; body: `{name}` in its strings stands for a thing of the world."""

    codes: Codes
    body: Any = None


NEW_TEMPLATE = {"coe": "kubernetes", "image_id": "ubuntu", "flavor_id": "small"}
PUBLIC, NODE = Row(everybody(200)), Row(everybody(401))
ZONE = {"dns-zone": "example.com."}
NODE_COUNT = [{"op": "replace", "path": "/node_count", "value": 2}]
TAGS = [{"op": "replace", "path": "/tags", "value": "x"}]
PROPERTIES = [{"op": "replace", "path": "/properties", "value": "{'dns-zone': 'example.com.'}"}]
NODEGROUPS_READ = (401, 401, 404, 403, 200, 200, 200)
WEBHOOK = {"url": "https://hooks.example.com/x"}
PAUSED = [{"op": "replace", "path": "/enabled", "value": False}]
MIN_COUNT = [{"op": "replace", "path": "/min_node_count", "value": 1}]
# fmt: off
MATRIX = {
    "GET /": PUBLIC, "GET /v1": PUBLIC, "GET /healthcheck": PUBLIC, "GET /livez": PUBLIC, "GET /readyz": PUBLIC,
    "GET /metrics": PUBLIC, "GET /openapi.json": PUBLIC, "GET /asyncapi.json": PUBLIC,
    # Nodes have credentials of their own; a Keystone token opens nothing here.
    "POST /v1/nodes/{node_id}/credential": NODE, "GET /v1/nodes/{node_id}/bootstrap": NODE,
    "POST /v1/nodes/{node_id}/reports": NODE, "POST /v1/nodes/{node_id}/csr": NODE,
    "GET /v1/nodes/{node_id}/commands": NODE, "POST /v1/nodes/{node_id}/commands/{command_id}/result": NODE,

    "GET /v1/clusters": Row(lists()), "GET /v1/clusters/detail": Row(lists()),
    "POST /v1/clusters": Row((401, 401, 404, 404, 403, 202, 202), {"cluster_template_id": "{template_id}"}),
    "GET /v1/clusters/{cluster_id}": Row(reads()),
    "PATCH /v1/clusters/{cluster_id}": Row(changes(202), NODE_COUNT),
    "DELETE /v1/clusters/{cluster_id}": Row(changes(204)),
    "POST /v1/clusters/{cluster_id}/actions/resize": Row(changes(202), {"node_count": 2}),
    "POST /v1/clusters/{cluster_id}/actions/upgrade": Row(changes(202), {"cluster_template": "{template_id}"}),
    # 409: allowed, but the cluster has no address and no keys yet.
    "GET /v1/clusters/{cluster_id}/config": Row(reads(409)),
    "GET /v1/clusters/{cluster_id}/nodes": Row(reads()), "GET /v1/clusters/{cluster_id}/nodes/{node_id}": Row(reads()),
    # Magnum asks about the caller before it looks for the cluster: who may do nothing anywhere is told so.
    "GET /v1/clusters/{cluster_id}/nodegroups": Row(NODEGROUPS_READ),
    "GET /v1/clusters/{cluster_id}/nodegroups/{nodegroup_id}": Row(NODEGROUPS_READ),
    "POST /v1/clusters/{cluster_id}/nodegroups": Row((401, 401, 404, 403, 403, 202, 202), {"name": "more"}),
    "PATCH /v1/clusters/{cluster_id}/nodegroups/{nodegroup_id}": Row((401, 401, 404, 403, 403, 202, 202), MIN_COUNT),
    "DELETE /v1/clusters/{cluster_id}/nodegroups/{nodegroup_id}": Row((401, 401, 404, 403, 403, 204, 204)),
    "GET /v1/clusters/{cluster_id}/operations": Row(reads()),
    # The reader did not make the cluster, so its certificates are not his.
    "GET /v1/certificates/{cluster_id}": Row((401, 401, 404, 404, 403, 409, 409)),
    "PATCH /v1/certificates/{cluster_id}": Row(changes(202)),
    # An administrator of another project is not enough here, as in Magnum.
    "PATCH /v1/credentials/{cluster_id}": Row((401, 401, 404, 403, 403, 202, 404)),
    "POST /v1/certificates": Row(
        (401, 401, 400, 400, 403, 409, 409), {"cluster_uuid": "{cluster_id}", "csr": "no request"}
    ),

    "GET /v1/clustertemplates": Row(lists()), "GET /v1/clustertemplates/detail": Row(lists()),
    "POST /v1/clustertemplates": Row(creates(201), NEW_TEMPLATE),
    "GET /v1/clustertemplates/{template_id}": Row(reads()),
    "PATCH /v1/clustertemplates/{template_id}": Row(changes(200), TAGS),
    "DELETE /v1/clustertemplates/{template_id}": Row(changes(204)),

    "GET /v1/operations": Row(lists()), "GET /v1/operations/{operation_id}": Row(reads()),
    "POST /v1/operations/{operation_id}/retry": Row(changes(202)),
    "POST /v1/operations/{operation_id}/cancel": Row(changes(202)),
    "GET /v1/events": Row(lists()), "GET /v1/events/stream": Row(lists()), "GET /v1/event-types": Row(with_token(200)),

    "GET /v1/webhooks": Row(lists()), "POST /v1/webhooks": Row(creates(201), WEBHOOK),
    "GET /v1/webhooks/{webhook_id}": Row(reads()),
    "PATCH /v1/webhooks/{webhook_id}": Row(changes(200), PAUSED),
    "DELETE /v1/webhooks/{webhook_id}": Row(changes(204)),
    "POST /v1/webhooks/{webhook_id}/test": Row(changes(202)),
    "POST /v1/webhooks/{webhook_id}/rotate-secret": Row(changes(200)),
    "POST /v1/webhooks/{webhook_id}/redeliver": Row(changes(202), {"since": "2026-11-25T10:00:00Z"}),
    "GET /v1/webhooks/{webhook_id}/deliveries": Row(reads()),
    "GET /v1/webhooks/{webhook_id}/deliveries/{delivery_id}": Row(reads()),
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver": Row(changes(202)),

    # Prometheus servers have tokens of their own; a Keystone token opens no list of targets.
    "GET /v1/prometheus/targets": NODE,
    "GET /v1/prometheus/tokens": Row(lists()), "POST /v1/prometheus/tokens": Row(creates(201), {"name": "t"}),
    "GET /v1/prometheus/tokens/{token_id}": Row(reads()),
    "DELETE /v1/prometheus/tokens/{token_id}": Row(changes(204)),

    "GET /v1/federations": Row(lists()), "GET /v1/federations/detail": Row(lists()),
    "POST /v1/federations": Row(
        (401, 401, 404, 403, 403, 202, 202), {"hostcluster_id": "{cluster_id}", "properties": ZONE}
    ),
    "GET /v1/federations/{federation_id}": Row(reads()),
    "PATCH /v1/federations/{federation_id}": Row(changes(202), PROPERTIES),
    "DELETE /v1/federations/{federation_id}": Row(changes(204)),

    "GET /v1/quotas": Row(admins(200)), "POST /v1/quotas": Row(admins(201), {"project_id": "{new_project}"}),
    # The URL names the project itself, so there is nothing to hide, and Magnum says 403.
    "GET /v1/quotas/{project_id}/{resource}": Row((401, 401, 403, 403, 200, 200, 200)),
    "PATCH /v1/quotas/{project_id}/{resource}": Row(admins(202), {"hard_limit": 2}),
    "DELETE /v1/quotas/{project_id}/{resource}": Row(admins(204)),
    "GET /v1/drivers": Row(with_token(200)), "GET /v1/drivers/{driver_name}": Row(with_token(200)),
    "GET /v1/stats": Row(lists()), "GET /v1/mservices": Row(admins(200)),
}
# fmt: on


@dataclass(frozen=True)
class Api:
    app: FastAPI
    deps: Deps
    client: httpx.AsyncClient
    numbers: itertools.count[int]
    spent_token: str


class Clouds(MemoryClouds):
    """Whoever it does not know, Keystone is asked about."""

    def __init__(self, keystone: CloudFactory) -> None:
        self._keystone = keystone

    async def validate_token(self, token: str) -> Identity | None:
        return await super().validate_token(token) or await self._keystone.validate_token(token)


@pytest.fixture
async def api(database: Database, database_url: str, deps: Deps, spent_token: str) -> AsyncIterator[Api]:
    clouds: Any = Clouds(deps.clouds)
    settings = Settings(
        database_url=SecretStr(database_url),
        secret_keys=[SecretStr(new_key())],
        max_clusters_per_project=10_000,
        max_prometheus_tokens_per_project=10_000,
        webhooks=WebhookSettings(max_per_project=10_000),
        limits=LimitSettings(templates_per_project=10_000, federations_per_project=10_000),
        cloud=CloudSettings(auth_url="http://keystone.test/v3", username="j", password=SecretStr("x")),
    )
    mine = make_deps(settings, database, clouds)
    app = create_app(mine)
    async with LifespanManager(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"OpenStack-API-Version": "container-infra latest"}
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as client:
            yield Api(app, mine, client, itertools.count(), spent_token)


async def world(api: Api) -> dict[str, str]:
    """One of everything, in project p1, made by `user`; what no URL but a path parameter names is here too."""
    number = next(api.numbers)

    async def post(path: str, body: dict[str, Any], token: str = "user") -> str:
        answer = await api.client.post(path, json=body, headers={"X-Auth-Token": token})
        assert answer.is_success, answer.text
        return str(answer.json().get("uuid"))

    used = await post("/v1/clustertemplates", NEW_TEMPLATE)
    cluster = await post("/v1/clusters", {"name": f"c{number}", "cluster_template_id": used})
    project = f"p{number}-set"
    await post("/v1/quotas", {"project_id": project}, "admin")
    found = {
        "template_id": await post("/v1/clustertemplates", NEW_TEMPLATE),
        "webhook_id": await post("/v1/webhooks", WEBHOOK),
        "token_id": await post("/v1/prometheus/tokens", {"name": f"t{number}"}),
        "federation_id": await post("/v1/federations", {"hostcluster_id": cluster, "properties": ZONE}),
        "cluster_id": cluster,
        "project_id": project,
        "new_project": f"p{number}-new",
        "resource": "Cluster",
        "command_id": "1",
        "driver_name": "swarm-ubuntu",
    }
    found["delivery_id"] = await post(f"/v1/webhooks/{found['webhook_id']}/test", {})
    async with api.deps.db.transaction() as session:
        for name, table in (("node_id", "nodes"), ("nodegroup_id", "nodegroups"), ("operation_id", "operations")):
            query = text(f"SELECT uuid FROM {table} WHERE cluster_id = :cluster LIMIT 1")
            found[name] = str(await session.scalar(query, {"cluster": cluster}))
    return found


def filled(value: Any, things: dict[str, str]) -> Any:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return {key: filled(item, things) for key, item in value.items()}
    return value.format(**things) if isinstance(value, str) else value


NEEDS_A_BUILT_CLUSTER = ("/nodegroups", "/actions/", "/credentials/", "PATCH /v1/certificates/", "PATCH /v1/clusters/")


async def sql(api: Api, statement: str, things: dict[str, str]) -> None:
    async with api.deps.db.transaction() as session:
        await session.execute(text(statement), things)


async def prepare(api: Api, route: str, things: dict[str, str]) -> None:
    """What a route needs beyond that its things exist."""
    if route.endswith("/stream"):
        api.deps.close_waiters()  # a stream ends when the process stops, and with it the test
    if route == "GET /v1/quotas/{project_id}/{resource}":
        things["project_id"] = "p1"
    if route.startswith("DELETE") and "nodegroups" in route:
        await sql(api, "UPDATE nodegroups SET is_default = false WHERE uuid = :nodegroup_id", things)
    if any(part in route for part in NEEDS_A_BUILT_CLUSTER) and not route.startswith("GET"):
        await sql(
            api, "UPDATE operations SET state = 'succeeded', finished_at = now() WHERE cluster_id = :cluster_id", things
        )
        await sql(
            api,
            "UPDATE clusters SET status = 'CREATE_COMPLETE', api_address = 'https://192.0.2.1:6443', "
            'base_outputs = \'{"api_address": "192.0.2.1"}\' WHERE uuid = :cluster_id',
            things,
        )
    if route.startswith("POST /v1/webhooks/{webhook_id}/"):
        ended = "UPDATE webhook_deliveries SET state = 'failed', finished_at = now() WHERE uuid = :delivery_id"
        await sql(api, ended, things)
    if route.endswith("/retry"):
        async with api.deps.db.transaction() as session:
            query = text("UPDATE operations SET state = 'failed', finished_at = now() WHERE uuid = :operation")
            await session.execute(query, {"operation": things["operation_id"]})


@pytest.mark.timeout(600)
async def test_who_may_what(api: Api) -> None:
    expected = {route: dict(zip(CALLERS, row.codes, strict=True)) for route, row in MATRIX.items()}
    assert {route: await answers(api, route) for route in MATRIX} == expected


async def answers(api: Api, route: str) -> dict[str, int]:
    """What each caller is answered."""
    method, path = route.split(" ")
    body = MATRIX[route].body
    seen: dict[str, int] = {}
    things: dict[str, str] = {}
    for caller in CALLERS:
        # What was done uses the thing up; looking does not, and a refusal must not.
        if not things:
            things = await world(api)
            await prepare(api, route, things)
        token = {"no token": {}, "expired": {"X-Auth-Token": api.spent_token}}.get(caller, {"X-Auth-Token": caller})
        sent = None if body is None else filled(body, things)
        answer = await api.client.request(method, path.format(**things), json=sent, headers=token)
        seen[caller] = answer.status_code
        if caller in ("stranger", "service") and answer.is_success:
            shown = [name for name, value in things.items() if len(value) == 36 and value in answer.text]
            assert shown == [], f"{route} shows {caller} our {shown}"
        if answer.is_success and method != "GET":
            things = {}
    api.deps.closing = False
    return seen


async def test_every_route_has_a_row(api: Api) -> None:
    routes = {
        f"{method} {route.path}"
        for route in api.app.routes
        if isinstance(route, Route)
        for method in set(route.methods or ()) - {"HEAD"}
    }
    assert routes == set(MATRIX)


async def test_strangers_cannot_ask_for_a_clusters_past(api: Api) -> None:
    """Filters by a cluster's uuid, which a stranger may have heard of."""
    cluster = (await world(api))["cluster_id"]

    async def ask(token: str, path: str) -> dict[str, Any]:
        answer = await api.client.get(path, headers={"X-Auth-Token": token})
        found: dict[str, Any] = answer.json()
        return found

    assert len((await ask("user", f"/v1/events?cluster={cluster}"))["events"]) > 0
    assert (await ask("stranger", f"/v1/events?cluster={cluster}"))["events"] == []
    assert (await ask("stranger", "/v1/operations"))["operations"] == []
