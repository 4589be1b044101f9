"""/v1/certificates"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from services.api.certificates.authorities import ca_certificate, ca_type, sign
from services.api.certificates.rotate import rotate_ca
from services.api.context import context_of
from services.api.deps import deps_of
from services.api.wire.bodies import check_query, read_nothing, read_object
from services.api.wire.fields import Field, anything, parse_body, string
from services.api.wire.rendering import base_url, json_response, links

router = APIRouter(prefix="/v1/certificates", tags=["certificates"])
_TEXT = {"type": ["string", "null"]}

FIELDS = [
    Field("cluster_uuid", string(), {"type": "string", "minLength": 1}, mandatory=True),
    Field("csr", string(longest=65536), {"type": "string", "minLength": 1}, mandatory=True),
    Field("ca_cert_type", ca_type, _TEXT),
    Field("pem", anything, {}, ignored=True),
    Field("links", anything, {}, read_only=True),
]


@router.get("/{cluster_id}", summary="Show the CA certificate of a cluster")
async def get_one(request: Request, cluster_id: str) -> Response:
    check_query(request, ("ca_cert_type",))
    kind = request.query_params.get("ca_cert_type")
    if kind is not None:
        kind = ca_type("ca_cert_type", kind)
    cluster, pem = await ca_certificate(deps_of(request), context_of(request), cluster_id, kind)
    return json_response(_view(request, cluster["uuid"]) | {"pem": pem})


@router.post("", status_code=201, summary="Sign a certificate signing request")
async def post(request: Request) -> Response:
    check_query(request, ())
    given = parse_body(await read_object(request, "certificate"), FIELDS, "certificate")
    deps, context = deps_of(request), context_of(request)
    cluster, pem = await sign(deps, context, given["cluster_uuid"], given["csr"], given.get("ca_cert_type"))
    asked = {name: given[name] for name in ("csr", "ca_cert_type") if name in given}
    return json_response(_view(request, cluster["uuid"]) | asked | {"pem": pem}, 201)


@router.patch("/{cluster_id}", status_code=202, summary="Rotate the certificate authorities of a cluster")
async def patch(request: Request, cluster_id: str) -> Response:
    """Replaces the certificate authorities of the cluster and all certificates signed by them."""
    check_query(request, ())
    await read_nothing(request)
    return json_response({"uuid": await rotate_ca(deps_of(request), context_of(request), cluster_id)}, 202)


def _view(request: Request, cluster_id: str) -> dict[str, Any]:
    return {"cluster_uuid": cluster_id, "links": links(base_url(request), "certificates", cluster_id)}
