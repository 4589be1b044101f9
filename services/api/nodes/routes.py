"""/v1/clusters/{id}/nodes, for users."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from services.api.clusters.queries import one_cluster
from services.api.context import context_of
from services.api.deps import Deps, deps_of
from services.api.operations import views as work
from services.api.operations.queries import list_nodes, one_node
from services.api.reader import Row
from services.api.wire.bodies import check_query
from services.api.wire.fields import one_of, string
from services.api.wire.paging import is_full, read_page
from services.api.wire.rendering import base_url, json_response
from shared.domain.states import NodeState

router = APIRouter(prefix="/v1/clusters/{cluster_id}/nodes", tags=["nodes"])
_FILTER = string(longest=255)


async def _cluster(request: Request, cluster_id: str, rule: str) -> Row:
    deps, context = deps_of(request), context_of(request)
    cluster = await one_cluster(deps.reader, context.scope_project, cluster_id)
    deps.policy.check(context, rule, project_id=cluster["project_id"], user_id=cluster["user_id"])
    return cluster


@router.get("", summary="List nodes")
async def get_nodes(request: Request, cluster_id: str) -> Response:
    check_query(request, ("marker", "limit", "state", "nodegroup"))
    deps = deps_of(request)
    query = request.query_params
    cluster = await _cluster(request, cluster_id, "node:get_all")
    page = read_page(request, columns=("id",), max_limit=deps.settings.api_max_limit)
    state = one_of(*NodeState)("state", query["state"]) if "state" in query else None
    nodegroup = _FILTER("nodegroup", query["nodegroup"]) if "nodegroup" in query else None
    rows = await list_nodes(
        deps.reader, cluster["uuid"], state=state, nodegroup=nodegroup, marker=page.marker, limit=page.limit
    )
    base = base_url(request)
    body: dict[str, object] = {"nodes": [_view(deps, row, base) for row in rows]}
    if is_full(rows, page.limit):
        following = request.url.include_query_params(limit=page.limit, marker=rows[-1]["uuid"]).query
        body["next"] = f"{base}/v1/clusters/{cluster['uuid']}/nodes?{following}"
    return json_response(body)


@router.get("/{node_id}", summary="Show a node")
async def get_node(request: Request, cluster_id: str, node_id: str) -> Response:
    check_query(request, ())
    cluster = await _cluster(request, cluster_id, "node:get")
    deps = deps_of(request)
    row = await one_node(deps.reader, cluster["uuid"], node_id)
    return json_response(_view(deps, row, base_url(request)))


def _view(deps: Deps, row: Row, base: str) -> dict[str, Any]:
    return work.node(row, base, now=deps.clock(), heartbeat_seconds=deps.settings.heartbeat_seconds)
