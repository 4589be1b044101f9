"""/v1/mservices: the services as Magnum's clients expect them, which is one conductor.

Rule: all provisioners are reported as one conductor, which is up as long as one of them is.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.administration import views as administration
from services.api.administration.queries import conductor
from services.api.context import context_of
from services.api.deps import deps_of
from services.api.wire.bodies import check_query
from services.api.wire.rendering import json_response

router = APIRouter(prefix="/v1/mservices", tags=["services"])
DOWN_AFTER_SECONDS = 180.0


@router.get("", summary="List services")
async def get_all(request: Request) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "magnum-service:get_all")
    row = await conductor(deps.reader, DOWN_AFTER_SECONDS)
    return json_response({"mservices": [] if row is None else [administration.conductor(row)]})
