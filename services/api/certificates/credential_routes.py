"""/v1/credentials"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.certificates.rotate import rotate_credentials
from services.api.context import context_of
from services.api.deps import deps_of
from services.api.wire.bodies import check_query, read_nothing
from services.api.wire.microversion import CREDENTIALS, require
from services.api.wire.rendering import json_response

router = APIRouter(prefix="/v1/credentials", tags=["credentials"])


@router.patch("/{cluster_id}", status_code=202, summary="Rotate the application credential of a cluster")
async def patch(request: Request, cluster_id: str) -> Response:
    """Replaces the application credential of the cluster's add-ons. The request has no body."""
    deps, context = deps_of(request), context_of(request)
    require(context.version, CREDENTIALS, "patch")
    check_query(request, ())
    await read_nothing(request)
    return json_response({"uuid": await rotate_credentials(deps, context, cluster_id)}, 202)
