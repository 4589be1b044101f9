"""/v1/clusters/{id}/nodes and /v1/clusters/{id}/nodegroups (reading), for users."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.bodies import check_query
from services.api.context import Context, context_of
from services.api.deps import deps_of
from services.api.fields import one_of, string
from services.api.microversion import NODEGROUPS, require
from services.api.paging import ARGUMENTS, read_page
from services.api.queries import list_nodegroups, one_cluster, one_nodegroup
from services.api.reader import Row
from services.api.rendering import base_url, json_response
from services.api.views import work
from services.api.views.clusters import nodegroup_full, nodegroup_reduced
from services.api.work_queries import list_nodes, one_node
from shared.db.models import Nodegroup
from shared.domain.states import NodeState

router = APIRouter(prefix="/v1/clusters/{cluster_id}")
COLUMNS = frozenset(Nodegroup.__table__.columns.keys())
_FILTER = string(longest=255)


async def _cluster(request: Request, cluster_id: str, rule: str) -> Row:
    deps, context = deps_of(request), context_of(request)
    cluster = await one_cluster(deps.reader, context.scope_project, cluster_id)
    deps.policy.check(context, rule, project_id=cluster["project_id"], user_id=cluster["user_id"])
    return cluster


@router.get("/nodes", tags=["nodes"])
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
    body: dict[str, object] = {"nodes": [work.node(row, base) for row in rows]}
    if len(rows) == page.limit:
        following = request.url.include_query_params(limit=page.limit, marker=rows[-1]["uuid"]).query
        body["next"] = f"{base}/v1/clusters/{cluster['uuid']}/nodes?{following}"
    return json_response(body)


@router.get("/nodes/{node_id}", tags=["nodes"])
async def get_node(request: Request, cluster_id: str, node_id: str) -> Response:
    check_query(request, ())
    cluster = await _cluster(request, cluster_id, "node:get")
    row = await one_node(deps_of(request).reader, cluster["uuid"], node_id)
    return json_response(work.node(row, base_url(request)))


@router.get("/nodegroups", tags=["nodegroups"])
async def get_nodegroups(request: Request, cluster_id: str) -> Response:
    deps, context = deps_of(request), context_of(request)
    require(context.version, NODEGROUPS)
    check_query(request, (*ARGUMENTS, "role"))
    cluster = await _cluster(request, cluster_id, _rule(context, "nodegroup:get_all"))
    page = read_page(request, columns=COLUMNS, max_limit=deps.settings.api_max_limit)
    role = request.query_params.get("role")
    role = None if role is None else _FILTER("role", role)
    rows = await list_nodegroups(deps.reader, cluster["uuid"], page, role)
    body: dict[str, object] = {"nodegroups": [nodegroup_reduced(row) for row in rows]}
    if rows:
        path = f"clusters/{cluster['uuid']}/nodegroups"
        body |= page.next_link(base_url(request), path, rows[-1]["uuid"], len(rows))
    return json_response(body)


@router.get("/nodegroups/{nodegroup_id}", tags=["nodegroups"])
async def get_nodegroup(request: Request, cluster_id: str, nodegroup_id: str) -> Response:
    context = context_of(request)
    require(context.version, NODEGROUPS)
    check_query(request, ())
    cluster = await _cluster(request, cluster_id, _rule(context, "nodegroup:get"))
    row = await one_nodegroup(deps_of(request).reader, cluster["uuid"], nodegroup_id)
    return json_response(nodegroup_full(row, base_url(request)))


def _rule(context: Context, rule: str) -> str:
    """Magnum asks another rule of administrators."""
    return {"nodegroup:get": "nodegroup:get_one"}.get(rule, rule) + "_all_projects" if context.all_projects else rule
