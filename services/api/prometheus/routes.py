"""/v1/prometheus: the targets for Prometheus servers outside the clusters, and the tokens for reading them."""

from __future__ import annotations

import binascii
from base64 import b64decode

from fastapi import APIRouter, Request, Response

from services.api.context import context_of
from services.api.deps import deps_of
from services.api.prometheus import tokens
from services.api.prometheus.targets import read_ports, target_groups
from services.api.wire.bodies import check_query, read_object
from services.api.wire.errors import ApiError
from services.api.wire.paging import ARGUMENTS, read_page
from services.api.wire.rendering import base_url, empty_response, json_response

router = APIRouter(prefix="/v1/prometheus", tags=["prometheus"])


@router.get("/targets", summary="Targets in the format of Prometheus' HTTP service discovery")
async def targets(request: Request) -> Response:
    """Requires a token of `/v1/prometheus/tokens`, as a bearer token or as the password of basic authentication."""
    deps = deps_of(request)
    address = request.client.host if request.client else ""
    deps.rates.check_address(address)
    project = await tokens.project_of(deps, _given(request.headers.get("authorization", "")))
    if project is None:
        deps.rates.unknown_token(address)
        # One challenge for each way; Prometheus reads neither, but other clients do.
        challenge = {"WWW-Authenticate": 'Bearer realm="prometheus", Basic realm="prometheus"'}
        raise ApiError(401, "The token is not valid.", headers=challenge)
    deps.rates.project_request(project)
    ports = read_ports(request.query_params.multi_items())
    return json_response(await target_groups(deps.reader, project, ports))


@router.get("/tokens", summary="List the tokens of Prometheus servers")
async def get_all(request: Request) -> Response:
    check_query(request, ARGUMENTS)
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "prometheus_token:get_all")
    page = read_page(request, columns=tokens.COLUMNS, max_limit=deps.settings.api_max_limit)
    rows = await tokens.list_tokens(deps.reader, context.scope_project, page)
    body: dict[str, object] = {"tokens": [tokens.view(row, base_url(request)) for row in rows]}
    if rows:
        body |= page.next_link(base_url(request), "prometheus/tokens", rows[-1]["uuid"], rows)
    return json_response(body)


@router.post("/tokens", status_code=201, summary="Create a token for a Prometheus server")
async def post(request: Request) -> Response:
    """The response contains the token; it is not shown again."""
    check_query(request, ())
    body = await read_object(request, "token")
    deps, context = deps_of(request), context_of(request)
    uuid, token = await tokens.create_token(deps, context, body)
    row = await tokens.one_token(deps.reader, context.scope_project, uuid)
    location = f"{base_url(request)}/v1/prometheus/tokens/{uuid}"
    return json_response(tokens.view(row, base_url(request)) | {"token": token}, 201, {"Location": location})


@router.get("/tokens/{token_id}", summary="Show a token of a Prometheus server, without its secret")
async def get_one(request: Request, token_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await tokens.one_token(deps.reader, context.scope_project, token_id)
    deps.policy.check(context, "prometheus_token:get", project_id=row["project_id"])
    return json_response(tokens.view(row, base_url(request)))


@router.delete("/tokens/{token_id}", status_code=204, summary="Delete a token; it is refused from then on")
async def delete(request: Request, token_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await tokens.one_token(deps.reader, context.scope_project, token_id)
    await tokens.delete_token(deps, context, row)
    return empty_response()


def _given(authorization: str) -> str | None:
    """The token of an `Authorization` header: the bearer token, or the password of basic authentication."""
    scheme, _, rest = authorization[:1024].partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return None
    return None
