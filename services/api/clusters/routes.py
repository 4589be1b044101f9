"""/v1/clusters, except nodegroups, nodes and actions."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.clusters.client_config import DEFAULT_HOURS, MAX_HOURS, client_config
from services.api.clusters.create import accept, prepare
from services.api.clusters.delete import delete_cluster
from services.api.clusters.patch import RULES
from services.api.clusters.preview import preview
from services.api.clusters.queries import list_clusters, one_cluster
from services.api.clusters.update import update_cluster
from services.api.clusters.views import full, one, reduced
from services.api.context import context_of
from services.api.deps import deps_of
from services.api.wire.bodies import check_query, read_object
from services.api.wire.fields import boolean, integer
from services.api.wire.idempotency import read_key, replay
from services.api.wire.microversion import ROLLBACK
from services.api.wire.paging import ARGUMENTS, read_page
from services.api.wire.patch import read_for
from services.api.wire.rendering import base_url, empty_response, json_response
from shared.db.models import Cluster

router = APIRouter(prefix="/v1/clusters", tags=["clusters"])
COLUMNS = frozenset(Cluster.__table__.columns.keys()) - {
    *("spec", "base_outputs", "event_sequence", "ssh_public_key", "driver", "engine", "coe")
}


@router.get("", summary="List clusters")
async def get_all(request: Request) -> Response:
    return await _list(request, "cluster:get_all", detailed=False)


@router.get("/detail", summary="List clusters with all fields")
async def detail(request: Request) -> Response:
    return await _list(request, "cluster:detail", detailed=True)


async def _list(request: Request, rule: str, *, detailed: bool) -> Response:
    check_query(request, ARGUMENTS)
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, f"{rule}_all_projects" if context.all_projects else rule)
    page = read_page(request, columns=COLUMNS, max_limit=deps.settings.api_max_limit)
    rows = await list_clusters(deps.reader, context.scope_project, page, detail=detailed)
    base = base_url(request)
    view = full if detailed else reduced
    body: dict[str, object] = {"clusters": [view(row, base, context.version) for row in rows]}
    if rows:
        path = "clusters/detail" if detailed else "clusters"
        body |= page.next_link(base, path, rows[-1]["uuid"], rows)
    return json_response(body)


@router.post("", status_code=202, summary="Create a cluster")
async def post(request: Request) -> Response:
    check_query(request, ("dry_run",))
    deps, context = deps_of(request), context_of(request)
    body = await read_object(request, "cluster")
    if boolean("dry_run", request.query_params.get("dry_run", "false")):
        return json_response(preview(deps, await prepare(deps, context, body)))
    key = read_key(request, context, body)
    if key is not None:
        # An answer that is repeated must not be given to someone who may not make the request.
        deps.policy.check(context, "cluster:create")
    if (answer := await replay(deps.reader, key)) is not None:
        return answer
    return json_response(await accept(deps, context, await prepare(deps, context, body), key), 202)


@router.get("/{cluster_id}", summary="Show a cluster")
async def get_one(request: Request, cluster_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await one_cluster(deps.reader, context.scope_project, cluster_id)
    rule = "cluster:get_one_all_projects" if context.all_projects else "cluster:get"
    deps.policy.check(context, rule, project_id=row["project_id"], user_id=row["user_id"])
    return json_response(one(row, base_url(request), context.version))


@router.get("/{cluster_id}/config", summary="Get a client configuration")
async def config(request: Request, cluster_id: str) -> Response:
    """Returns JSON, or only the file if `Accept` requests YAML or plain text."""
    check_query(request, ("hours",))
    deps, context = deps_of(request), context_of(request)
    asked = request.query_params.get("hours", str(DEFAULT_HOURS))
    hours = integer(lowest=1, highest=MAX_HOURS)("hours", asked)
    row = await one_cluster(deps.reader, context.scope_project, cluster_id)
    found = await client_config(deps, context, row, hours)
    headers = {"Cache-Control": "no-store"}
    accept = request.headers.get("accept", "")
    if "yaml" in accept or "text/plain" in accept:
        return Response(found["content"], media_type="application/yaml", headers=headers)
    return json_response(found, headers=headers)


@router.patch("/{cluster_id}", status_code=202, summary="Update a cluster")
async def patch(request: Request, cluster_id: str) -> Response:
    deps, context = deps_of(request), context_of(request)
    check_query(request, ("rollback",) if context.version >= ROLLBACK else ())
    asked = request.query_params.get("rollback")
    rollback = None if asked is None else boolean("rollback", asked)
    row, changes = await read_for(
        request, RULES, lambda: one_cluster(deps.reader, context.scope_project, cluster_id), optional=True
    )
    await update_cluster(deps, context, row, changes, rollback=rollback)
    return json_response({"uuid": row["uuid"]}, 202)


@router.delete("/{cluster_id}", status_code=204, summary="Delete a cluster")
async def delete(request: Request, cluster_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await one_cluster(deps.reader, context.scope_project, cluster_id)
    await delete_cluster(deps, context, row)
    return empty_response()
