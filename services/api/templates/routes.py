"""/v1/clustertemplates"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.context import context_of
from services.api.deps import deps_of
from services.api.templates import manage as templates
from services.api.templates.patch import RULES
from services.api.templates.queries import list_templates, one_template
from services.api.templates.views import full
from services.api.wire.bodies import check_query, read_object
from services.api.wire.idempotency import read_key, replay
from services.api.wire.paging import ARGUMENTS, read_page
from services.api.wire.patch import read_for
from services.api.wire.rendering import base_url, empty_response, json_response
from shared.db.models import ClusterTemplate

router = APIRouter(prefix="/v1/clustertemplates", tags=["cluster templates"])
COLUMNS = frozenset(ClusterTemplate.__table__.columns.keys())


@router.get("", summary="List cluster templates")
async def get_all(request: Request) -> Response:
    return await _list(request, "clustertemplate:get_all", "clustertemplates")


@router.get("/detail", summary="List cluster templates with all fields")
async def detail(request: Request) -> Response:
    return await _list(request, "clustertemplate:detail", "clustertemplates/detail")


async def _list(request: Request, rule: str, path: str) -> Response:
    check_query(request, ARGUMENTS)
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, f"{rule}_all_projects" if context.all_projects else rule)
    page = read_page(request, columns=COLUMNS, max_limit=deps.settings.api_max_limit)
    rows = await list_templates(deps.reader, context.scope_project, page)
    base = base_url(request)
    body: dict[str, object] = {"clustertemplates": [full(row, base) for row in rows]}
    if rows:
        body |= page.next_link(base, path, rows[-1]["uuid"], rows)
    return json_response(body)


@router.post("", status_code=201, summary="Create a cluster template")
async def post(request: Request) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    body = await read_object(request, "cluster_template")
    key = read_key(request, context, body)
    if key is not None:
        # An answer that is repeated must not be given to someone who may not make the request.
        deps.policy.check(context, "clustertemplate:create")
    if (answer := await replay(deps.reader, key)) is not None:
        return answer
    view, url = await templates.create_template(deps, context, body, key, base_url(request))
    return json_response(view, 201, {"Location": url})


@router.get("/{template_id}", summary="Show a cluster template")
async def get_one(request: Request, template_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await one_template(deps.reader, context.scope_project, template_id)
    if context.all_projects:
        deps.policy.check(context, "clustertemplate:get_one_all_projects")
    elif row["project_id"] == context.project_id:
        deps.policy.check(context, "clustertemplate:get")
    return json_response(full(row, base_url(request)))


@router.patch("/{template_id}", summary="Update a cluster template")
async def patch(request: Request, template_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row, changes = await read_for(request, RULES, lambda: one_template(deps.reader, context.scope_project, template_id))
    return json_response(await templates.update_template(deps, context, row, changes, base_url(request)))


@router.delete("/{template_id}", status_code=204, summary="Delete a cluster template")
async def delete(request: Request, template_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await one_template(deps.reader, context.scope_project, template_id)
    await templates.delete_template(deps, context, row)
    return empty_response()
