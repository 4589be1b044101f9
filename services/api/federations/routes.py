"""/v1/federations"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.context import context_of
from services.api.deps import deps_of
from services.api.federations import manage as federations
from services.api.federations.patch import RULES
from services.api.federations.queries import list_federations, one_federation
from services.api.federations.views import full, reduced
from services.api.wire.bodies import check_query, read_object
from services.api.wire.fields import boolean
from services.api.wire.paging import ARGUMENTS, read_page
from services.api.wire.patch import read_for
from services.api.wire.rendering import base_url, empty_response, json_response
from shared.db.models import Federation

router = APIRouter(prefix="/v1/federations", tags=["federations"])
COLUMNS = frozenset(Federation.__table__.columns.keys()) - {"properties"}


@router.get("", summary="List federations")
async def get_all(request: Request) -> Response:
    return await _list(request, "federation:get_all", detailed=False)


@router.get("/detail", summary="List federations with all fields")
async def detail(request: Request) -> Response:
    return await _list(request, "federation:detail", detailed=True)


async def _list(request: Request, rule: str, *, detailed: bool) -> Response:
    check_query(request, ARGUMENTS)
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, rule)
    page = read_page(request, columns=COLUMNS, max_limit=deps.settings.api_max_limit)
    rows = await list_federations(deps.reader, context.scope_project, page)
    base = base_url(request)
    view = full if detailed else reduced
    body: dict[str, object] = {"federations": [view(row, base) for row in rows]}
    if rows:
        path = "federations/detail" if detailed else "federations"
        body |= page.next_link(base, path, rows[-1]["uuid"], rows)
    return json_response(body)


@router.post("", status_code=202, summary="Create a federation")
async def post(request: Request) -> Response:
    check_query(request, ())
    body = await read_object(request, "federation")
    uuid = await federations.create_federation(deps_of(request), context_of(request), body)
    return json_response({"uuid": uuid}, 202)


@router.get("/{federation_id}", summary="Show a federation")
async def get_one(request: Request, federation_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await one_federation(deps.reader, context.scope_project, federation_id)
    deps.policy.check(context, "federation:get", project_id=row["project_id"])
    return json_response(full(row, base_url(request)))


@router.patch("/{federation_id}", status_code=202, summary="Update a federation")
async def patch(request: Request, federation_id: str) -> Response:
    """`rollback` is accepted for compatibility with Magnum's clients and has no effect."""
    check_query(request, ("rollback",))
    boolean("rollback", request.query_params.get("rollback", "false"))
    deps, context = deps_of(request), context_of(request)
    row, changes = await read_for(
        request, RULES, lambda: one_federation(deps.reader, context.scope_project, federation_id), optional=True
    )
    await federations.update_federation(deps, context, row, changes)
    return json_response({"uuid": row["uuid"]}, 202)


@router.delete("/{federation_id}", status_code=204, summary="Delete a federation")
async def delete(request: Request, federation_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await one_federation(deps.reader, context.scope_project, federation_id)
    await federations.delete_federation(deps, context, row)
    return empty_response()
