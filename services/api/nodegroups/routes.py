"""/v1/clusters/{id}/nodegroups"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.clusters.queries import one_cluster
from services.api.clusters.views import nodegroup_accepted, nodegroup_full, nodegroup_reduced
from services.api.context import RequestContext, context_of
from services.api.deps import Deps, deps_of
from services.api.nodegroups import manage as nodegroups
from services.api.nodegroups.fields import FIELDS
from services.api.nodegroups.patch import RULES
from services.api.nodegroups.queries import list_nodegroups, one_nodegroup
from services.api.reader import Row
from services.api.wire.bodies import check_query, read_object
from services.api.wire.fields import parse_body, string
from services.api.wire.microversion import NODEGROUPS, require
from services.api.wire.paging import ARGUMENTS, read_page
from services.api.wire.patch import read_for
from services.api.wire.rendering import base_url, empty_response, json_response
from shared.db.models import Nodegroup

router = APIRouter(prefix="/v1/clusters/{cluster_id}/nodegroups", tags=["nodegroups"])
COLUMNS = frozenset(Nodegroup.__table__.columns.keys()) - {"next_index"}
_FILTER = string(longest=255)


@router.get("", summary="List nodegroups")
async def get_all(request: Request, cluster_id: str) -> Response:
    deps, context = _versioned(request, "get_all")
    check_query(request, (*ARGUMENTS, "role"))
    page = read_page(request, columns=COLUMNS, max_limit=deps.settings.api_max_limit)
    cluster = await _cluster(deps, context, cluster_id, "nodegroup:get_all", "nodegroup:get_all_all_projects")
    role = request.query_params.get("role")
    role = _FILTER("role", role) if role else None
    rows = await list_nodegroups(deps.reader, cluster["uuid"], page, role)
    body: dict[str, object] = {"nodegroups": [nodegroup_reduced(row) for row in rows]}
    if rows:
        path = f"clusters/{cluster['uuid']}/nodegroups"
        body |= page.next_link(base_url(request), path, rows[-1]["uuid"], rows)
    return json_response(body)


@router.post("", status_code=202, summary="Create a nodegroup")
async def post(request: Request, cluster_id: str) -> Response:
    deps, context = _versioned(request, "post")
    check_query(request, ())
    body = await read_object(request, "nodegroup")
    given = parse_body(body, FIELDS, "nodegroup")
    cluster = await _cluster(deps, context, cluster_id, "nodegroup:create")
    row = await nodegroups.create_nodegroup(deps, context, cluster, given)
    return json_response(nodegroup_accepted(row, base_url(request), body.keys()), 202)


@router.get("/{nodegroup_id}", summary="Show a nodegroup")
async def get_one(request: Request, cluster_id: str, nodegroup_id: str) -> Response:
    deps, context = _versioned(request, "get_one")
    check_query(request, ())
    cluster = await _cluster(deps, context, cluster_id, "nodegroup:get", "nodegroup:get_one_all_projects")
    row = await one_nodegroup(deps.reader, cluster["uuid"], nodegroup_id)
    return json_response(nodegroup_full(row, base_url(request)))


@router.patch("/{nodegroup_id}", status_code=202, summary="Update a nodegroup")
async def patch(request: Request, cluster_id: str, nodegroup_id: str) -> Response:
    deps, context = _versioned(request, "patch")
    check_query(request, ())
    cluster, changes = await read_for(request, RULES, lambda: _cluster(deps, context, cluster_id, "nodegroup:update"))
    group = await one_nodegroup(deps.reader, cluster["uuid"], nodegroup_id)
    row = await nodegroups.update_nodegroup(deps, context, cluster, group, changes)
    return json_response(nodegroup_full(row, base_url(request)), 202)


@router.delete("/{nodegroup_id}", status_code=204, summary="Delete a nodegroup")
async def delete(request: Request, cluster_id: str, nodegroup_id: str) -> Response:
    deps, context = _versioned(request, "delete")
    check_query(request, ())
    cluster = await _cluster(deps, context, cluster_id, "nodegroup:delete")
    group = await one_nodegroup(deps.reader, cluster["uuid"], nodegroup_id)
    await nodegroups.delete_nodegroup(deps, context, cluster, group)
    return empty_response()


def _versioned(request: Request, api: str) -> tuple[Deps, RequestContext]:
    context = context_of(request)
    require(context.version, NODEGROUPS, api)
    return deps_of(request), context


async def _cluster(deps: Deps, context: RequestContext, ident: str, rule: str, everywhere: str | None = None) -> Row:
    """Return the cluster if the policy allows `rule` for its nodegroups.

    Args:
        everywhere: the rule that Magnum checks in addition for administrators.
    """
    # As in Magnum, the policy is checked before the cluster is looked up, so that a caller without permissions cannot
    # find out whether it exists.
    deps.policy.check(context, rule)
    if context.all_projects and everywhere is not None:
        deps.policy.check(context, everywhere)
    cluster = await one_cluster(deps.reader, context.scope_project, ident)
    deps.policy.check(context, rule, project_id=cluster["project_id"], user_id=cluster["user_id"])
    return cluster
