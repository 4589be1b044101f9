"""Version discovery, health and metrics: the routes that need no token."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.api.deps import deps_of
from services.api.wire import microversion
from services.api.wire.accept import accept_of, prefers_json
from services.api.wire.bodies import check_query
from services.api.wire.rendering import base_url, empty_response, json_response

router = APIRouter(tags=["system"])

_RESOURCES = {
    "clustertemplates": "clustertemplates/",
    "clusters": "clusters/",
    "quotas": "quotas/",
    "certificates": "certificates/",
    "mservices": "mservices/",
    "stats": "stats/",
    "federations": "federations/",
    "nodegroups": "clusters/{cluster_id}/nodegroups",
    "credentials": "credentials/",
}


@router.get("/", summary="List API versions")
async def root(request: Request) -> Response:
    check_query(request, ())
    version = {
        "id": "v1",
        "links": [{"href": f"{base_url(request)}/v1/", "rel": "self"}],
        "status": "CURRENT",
        "max_version": microversion.text(microversion.MAX),
        "min_version": microversion.text(microversion.MIN),
    }
    description = "Magnum is an OpenStack project which aims to provide container cluster management."
    return json_response({"name": "OpenStack Magnum API", "description": description, "versions": [version]})


@router.get("/v1", summary="Describe API version 1")
async def v1(request: Request) -> Response:
    check_query(request, ())
    base = base_url(request)
    docs = "http://docs.openstack.org/developer/magnum/dev/api-spec-v1.html"
    body: dict[str, Any] = {
        "id": "v1",
        "media_types": [{"base": "application/json", "type": "application/vnd.openstack.magnum.v1+json"}],
        "links": [
            {"href": f"{base}/v1/", "rel": "self"},
            {"href": docs, "rel": "describedby", "type": "text/html"},
        ],
    }
    for name, path in _RESOURCES.items():
        body[name] = [{"href": f"{base}/v1/{path}", "rel": "self"}, {"href": f"{base}/{path}", "rel": "bookmark"}]
    return json_response(body)


@router.get("/healthcheck", summary="Health check of oslo.middleware")
async def healthcheck(request: Request) -> Response:
    """Returns what oslo.middleware returns to OpenStack's load balancers, if the process responds."""
    if prefers_json(accept_of(request.scope)):
        return json_response({"detailed": False, "reasons": ["OK"]})
    return Response("OK", headers={"Content-Type": "text/plain; charset=UTF-8"})


@router.head("/healthcheck", status_code=204, summary="Health check without a body")
async def healthcheck_head() -> Response:
    return empty_response()


@router.get("/livez", summary="Liveness probe")
async def live() -> Response:
    return Response("ok", media_type="text/plain")


@router.get("/readyz", summary="Readiness probe")
async def ready(request: Request) -> Response:
    """Returns 200 if all dependencies of the API respond, otherwise 503; says of each dependency whether it does."""
    deps = deps_of(request)
    parts = await request.app.state.readiness.parts()
    good = not deps.closing and all(state == "ok" for state in parts.values())
    return json_response({"ready": good, "draining": deps.closing, "parts": parts}, 200 if good else 503)


@router.get("/metrics", summary="Prometheus metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
