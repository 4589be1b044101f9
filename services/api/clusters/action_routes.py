"""/v1/clusters/{id}/actions"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.clusters import resize as resize_cluster
from services.api.clusters import upgrade as upgrade_cluster
from services.api.clusters.queries import one_cluster
from services.api.context import context_of
from services.api.deps import deps_of
from services.api.wire.bodies import check_query, read_object
from services.api.wire.errors import bad_request
from services.api.wire.fields import parse_body
from services.api.wire.microversion import RESIZE, UPGRADE, require
from services.api.wire.rendering import json_response

router = APIRouter(prefix="/v1/clusters/{cluster_id}/actions", tags=["clusters"])


@router.post("/resize", status_code=202, summary="Resize a nodegroup")
async def resize(request: Request, cluster_id: str) -> Response:
    deps, context = deps_of(request), context_of(request)
    require(context.version, RESIZE, "resize")
    check_query(request, ())
    argument = "cluster_resize_req"
    body = parse_body(await read_object(request, argument), resize_cluster.FIELDS, argument)
    resize_cluster.refuse_zero(context, body["node_count"])
    row = await one_cluster(deps.reader, context.scope_project, cluster_id)
    await resize_cluster.resize_cluster(deps, context, row, body)
    return json_response({"uuid": row["uuid"]}, 202)


@router.post("/upgrade", status_code=202, summary="Upgrade a cluster to another template")
async def upgrade(request: Request, cluster_id: str) -> Response:
    deps, context = deps_of(request), context_of(request)
    require(context.version, RESIZE, "upgrade")
    check_query(request, ())
    argument = "cluster_upgrade_req"
    body = parse_body(await read_object(request, argument), upgrade_cluster.FIELDS, argument)
    if context.version < UPGRADE:
        raise bad_request("Cluster upgrade is not supported in the provided microversion.")
    row = await one_cluster(deps.reader, context.scope_project, cluster_id)
    await upgrade_cluster.upgrade_cluster(deps, context, row, body)
    return json_response({"uuid": row["uuid"]}, 202)
