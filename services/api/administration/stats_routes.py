"""/v1/stats"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.administration.queries import statistics
from services.api.context import context_of
from services.api.deps import deps_of
from services.api.wire.bodies import check_query
from services.api.wire.errors import bad_request, not_authorized
from services.api.wire.fields import string
from services.api.wire.rendering import json_response

router = APIRouter(prefix="/v1/stats", tags=["stats"])
_PROJECT = string(shortest=0)


@router.get("", summary="Count clusters and nodes")
async def get_all(request: Request) -> Response:
    """Counts those of one project; for an administrator who names no project, those of the whole cloud."""
    check_query(request, ("project_id", "type"))
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "stats:get_all")
    if request.query_params.get("type", "cluster").lower() != "cluster":
        raise bad_request("Invalid stats type. Allowed values are 'cluster'")
    project = _PROJECT("project_id", request.query_params.get("project_id", "")) or context.scope_project
    if not context.all_projects and project != context.project_id:
        raise not_authorized()
    return json_response(dict(await statistics(deps.reader, project)))
