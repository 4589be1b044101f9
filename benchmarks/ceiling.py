"""The ceiling that the API is compared with: plain FastAPI with asyncpg, the API's SQL and the same response formats.

It has no tokens, policy, versions, request IDs, metrics or logs. It runs as a separate process:
`python -m benchmarks.ceiling --port P --database URL --project ID`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import uvicorn
from fastapi import FastAPI, Request, Response

from jeroboam.driver import ClusterSpec
from services.api.clusters.queries import list_clusters, one_cluster
from services.api.clusters.quota import COUNT_AND_LIMIT, LOCK
from services.api.clusters.views import FULL, REDUCED
from services.api.reader import Reader, Row
from services.api.templates.views import full as full_template
from services.api.wire.paging import Page
from shared.operations.new_cluster import insertion
from shared.operations.params import CreateParams

_PAGE = Page(limit=20, marker=None, sort_key="id", sort_dir="asc")
_INSERT = """
INSERT INTO cluster_templates (uuid, name, project_id, user_id, coe, image_id, labels, flavor_id, master_flavor_id,
    external_network_id, floating_ip_enabled, cluster_distro, driver)
VALUES ($1, $2, $3, 'u', $4, $5, '{}', $6, $7, $8, false, 'ubuntu', 'kubernetes-ubuntu') RETURNING *
"""


def _json(data: Any, status: int = 200) -> Response:
    return Response(json.dumps(data), status_code=status, media_type="application/json")


def _shown(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    href = f"http://127.0.0.1/v1/clusters/{row['uuid']}"
    links = [{"href": href, "rel": "self"}, {"href": href, "rel": "bookmark"}]
    return {name: row[name] for name in names} | {"links": links}


def create_app(database: str, project: str) -> FastAPI:
    """The ceiling as an ASGI application.

    Args:
        database: `postgresql://...`.
        project: the project whose clusters are shown.
    """
    reader = Reader(database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await reader.open()
        async with asyncpg.create_pool(database, min_size=0, max_size=10) as pool:
            app.state.pool = pool
            yield
        await reader.close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/v1/clusters")
    async def several() -> Response:
        rows = await list_clusters(reader, project, _PAGE, detail=False)
        return _json({"clusters": [_shown(row, REDUCED) for row in rows]})

    @app.get("/v1/clusters/{ident}")
    async def one(ident: str) -> Response:
        row = await one_cluster(reader, project, ident)
        return _json(_shown(row, FULL) | {"created_at": row["created_at"].isoformat()})

    @app.post("/v1/clustertemplates")
    async def template(request: Request) -> Response:
        body = await request.json()
        names = ("name", "coe", "image_id", "flavor_id", "master_flavor_id", "external_network_id")
        given = [body[name] for name in names]
        async with app.state.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_INSERT, str(uuid4()), given[0], project, *given[1:])
        return _json(full_template(dict(row) | {"labels": {}}, "http://127.0.0.1"), 201)

    @app.post("/v1/clusters")
    async def cluster(request: Request) -> Response:
        body = await request.json()
        rows = _cluster_rows(body, project)
        params = CreateParams(node_count=body["node_count"], master_count=body["master_count"])
        statement, arguments = insertion(*rows, None, params, timedelta(hours=1), 50)
        async with app.state.pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK, project)
            await connection.fetchrow(COUNT_AND_LIMIT, project)
            await connection.execute(statement, *arguments)
        return _json({"uuid": rows[0]["uuid"]}, 202)

    return app


def _cluster_rows(body: dict[str, Any], project: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    uuid = str(uuid4())
    cluster = {
        "uuid": uuid,
        "name": body["name"],
        "project_id": project,
        "user_id": "u",
        "cluster_template_id": body["cluster_template_id"],
        "driver": "kubernetes-ubuntu",
        "engine": "kubernetes",
        "coe": "kubernetes",
        "keypair": body["keypair"],
        "labels": {},
        "flavor_id": "m1.small",
        "master_flavor_id": "m1.small",
        "create_timeout": 60,
        "floating_ip_enabled": False,
        "master_lb_enabled": False,
        "spec": dict.fromkeys((field.name for field in fields(ClusterSpec)), "a value"),
    }
    groups = [
        {
            "uuid": str(uuid4()),
            "cluster_id": uuid,
            "project_id": project,
            "name": f"default-{role}",
            "role": role,
            "is_default": True,
            "flavor_id": "m1.small",
            "image_id": "i",
            "labels": {},
            "node_count": count,
        }
        for role, count in (("master", body["master_count"]), ("worker", body["node_count"]))
    ]
    return cluster, groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--project", required=True)
    given = parser.parse_args()
    app = create_app(given.database, given.project)
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
