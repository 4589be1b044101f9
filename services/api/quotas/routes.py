"""/v1/quotas"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.administration.queries import find_quota, list_quotas
from services.api.administration.views import default_quota, quota
from services.api.context import context_of
from services.api.deps import deps_of
from services.api.quotas import manage as quotas
from services.api.wire.bodies import check_query, read_object
from services.api.wire.errors import not_authorized, quota_not_found
from services.api.wire.fields import boolean, storable
from services.api.wire.paging import ARGUMENTS, read_page
from services.api.wire.rendering import base_url, empty_response, json_response
from shared.db.models import Quota

router = APIRouter(prefix="/v1/quotas", tags=["quotas"])
COLUMNS = frozenset(Quota.__table__.columns.keys())


@router.get("", summary="List quotas")
async def get_all(request: Request) -> Response:
    """Lists the quota of the caller's project, or with `all_tenants` those of all projects."""
    check_query(request, (*ARGUMENTS, "all_tenants"))
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "quota:get_all")
    page = read_page(request, columns=COLUMNS, max_limit=deps.settings.api_max_limit, marked_by="id")
    everybody = boolean("all_tenants", request.query_params.get("all_tenants", "false")) and context.all_projects
    rows = await list_quotas(deps.reader, None if everybody else context.project_id, page)
    body: dict[str, object] = {"quotas": [quota(row) for row in rows]}
    if rows:
        following = page.next_link(base_url(request), "quotas", str(rows[-1]["id"]), rows)
        # In Magnum, the link omits the arguments, and clients continue with another list.
        body |= {name: f"{url}&all_tenants=True" if everybody else url for name, url in following.items()}
    return json_response(body)


@router.post("", status_code=201, summary="Create a quota")
async def post(request: Request) -> Response:
    check_query(request, ())
    body = await read_object(request, "quota")
    return json_response(quota(await quotas.create_quota(deps_of(request), context_of(request), body)), 201)


@router.get("/{project_id}/{resource}", summary="Show a quota")
async def get_one(request: Request, project_id: str, resource: str) -> Response:
    """If the project has no quota, the default is returned."""
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "quota:get")
    if not context.all_projects and project_id != context.project_id:
        raise not_authorized()
    _named(project_id, resource)
    row = await find_quota(deps.reader, project_id, resource)
    if row is None:
        return json_response(default_quota(project_id, quotas.CLUSTER, deps.settings.max_clusters_per_project))
    return json_response(quota(row))


@router.patch("/{project_id}/{resource}", status_code=202, summary="Update a quota")
async def patch(request: Request, project_id: str, resource: str) -> Response:
    """The body is a plain object, as sent by Magnum's clients, not a JSON Patch."""
    check_query(request, ())
    body = await read_object(request, "quotapatch")
    _named(project_id, resource)
    row = await quotas.update_quota(deps_of(request), context_of(request), project_id, resource, body)
    return json_response(quota(row), 202)


@router.delete("/{project_id}/{resource}", status_code=204, summary="Delete a quota")
async def delete(request: Request, project_id: str, resource: str) -> Response:
    check_query(request, ())
    _named(project_id, resource)
    await quotas.delete_quota(deps_of(request), context_of(request), project_id, resource)
    return empty_response()


def _named(project_id: str, resource: str) -> None:
    """Raise 404 for text that cannot be stored in the database."""
    if not storable(project_id) or not storable(resource):
        raise quota_not_found(f"project_id {ascii(project_id)[:200]} resource {ascii(resource)[:200]}")
