"""/v1/operations, and the operations of a cluster."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.clusters.queries import one_cluster
from services.api.context import RequestContext, context_of
from services.api.deps import Deps, deps_of
from services.api.operations import manage as operations
from services.api.operations import views as work
from services.api.operations.queries import list_operations, one_operation, operation_steps
from services.api.wire.bodies import check_query
from services.api.wire.fields import one_of
from services.api.wire.paging import is_full, read_page
from services.api.wire.rendering import base_url, json_response
from shared.domain.states import OperationState

router = APIRouter(prefix="/v1", tags=["operations"])
_ARGUMENTS = ("marker", "limit", "state")


@router.get("/operations", summary="List operations")
async def get_all(request: Request) -> Response:
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "operation:get_all")
    return await _list(request, deps, context, None, "operations")


@router.get("/clusters/{cluster_id}/operations", summary="List the operations of a cluster")
async def get_of_cluster(request: Request, cluster_id: str) -> Response:
    """Operations are kept after their cluster is deleted; `/v1/operations` lists them."""
    deps, context = deps_of(request), context_of(request)
    cluster = await one_cluster(deps.reader, context.scope_project, cluster_id)
    deps.policy.check(context, "operation:get_all", project_id=cluster["project_id"])
    return await _list(request, deps, context, cluster["uuid"], f"clusters/{cluster['uuid']}/operations")


async def _list(request: Request, deps: Deps, context: RequestContext, cluster_id: str | None, path: str) -> Response:
    check_query(request, _ARGUMENTS)
    page = read_page(request, columns=("id",), max_limit=deps.settings.api_max_limit)
    state = request.query_params.get("state")
    states = None if state is None else [one_of(*OperationState)("state", part) for part in state.split(",")]
    rows = await list_operations(
        deps.reader, context.scope_project, cluster_id=cluster_id, states=states, marker=page.marker, limit=page.limit
    )
    base = base_url(request)
    body: dict[str, object] = {"operations": [work.operation(row, base) for row in rows]}
    if is_full(rows, page.limit):
        chosen = f"&state={','.join(states)}" if states else ""
        body["next"] = f"{base}/v1/{path}?limit={page.limit}&marker={rows[-1]['uuid']}{chosen}"
    return json_response(body)


@router.get("/operations/{operation_id}", summary="Show an operation")
async def get_one(request: Request, operation_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await one_operation(deps.reader, context.scope_project, operation_id)
    deps.policy.check(context, "operation:get", project_id=row["project_id"], user_id=row["user_id"])
    steps = await operation_steps(deps.reader, row["uuid"])
    view = work.operation(row, base_url(request)) | {"steps": [work.operation_step(step) for step in steps]}
    return json_response(view)


@router.post("/operations/{operation_id}/retry", status_code=202, summary="Retry a failed operation")
async def retry(request: Request, operation_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await one_operation(deps.reader, context.scope_project, operation_id)
    await operations.retry(deps, context, row)
    return json_response({"uuid": row["uuid"]}, 202)


@router.post("/operations/{operation_id}/cancel", status_code=202, summary="Cancel an operation")
async def cancel(request: Request, operation_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await one_operation(deps.reader, context.scope_project, operation_id)
    await operations.cancel(deps, context, row)
    return json_response({"uuid": row["uuid"]}, 202)
