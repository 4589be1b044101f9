"""/v1/webhooks/{webhook_id}/deliveries"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.context import context_of
from services.api.deps import deps_of
from services.api.reader import Row
from services.api.webhooks import views
from services.api.webhooks.deliveries import redeliver_one
from services.api.webhooks.queries import delivery_attempts, event_of, list_deliveries, one_delivery, one_webhook
from services.api.wire.bodies import check_query, read_nothing
from services.api.wire.fields import one_of
from services.api.wire.paging import read_page
from services.api.wire.rendering import base_url, json_response
from shared.db.webhook_models import DELIVERY_STATES

router = APIRouter(prefix="/v1/webhooks/{webhook_id}/deliveries", tags=["webhooks"])


@router.get("", summary="List the deliveries of a webhook")
async def get_all(request: Request, webhook_id: str) -> Response:
    """Newest first."""
    check_query(request, ("marker", "limit", "state"))
    deps = deps_of(request)
    page = read_page(request, columns=("id",), max_limit=deps.settings.api_max_limit)
    given = request.query_params.get("state")
    state = None if given is None else one_of(*DELIVERY_STATES)("state", given)
    row = await _visible(request, webhook_id)
    rows = await list_deliveries(deps.reader, row["uuid"], state=state, marker=page.marker, limit=page.limit)
    base = base_url(request)
    body: dict[str, object] = {"deliveries": [views.delivery(each, base) for each in rows]}
    if len(rows) == page.limit:
        chosen = f"&state={state}" if state else ""
        marker = rows[-1]["uuid"]
        body["next"] = f"{base}/v1/webhooks/{row['uuid']}/deliveries?limit={page.limit}&marker={marker}{chosen}"
    return json_response(body)


@router.get("/{delivery_id}", summary="Show a delivery with its attempts")
async def get_one(request: Request, webhook_id: str, delivery_id: str) -> Response:
    check_query(request, ())
    deps, context = deps_of(request), context_of(request)
    row = await _visible(request, webhook_id)
    found = await one_delivery(deps.reader, row["uuid"], delivery_id)
    private = deps.policy.allows(context, "webhook:get_private", project_id=row["project_id"])
    attempts = await delivery_attempts(deps.reader, found["id"])
    view = views.delivery(found, base_url(request))
    view["request_body"] = views.request_body(await event_of(deps.reader, found["event_id"]), row["format"])
    view["log"] = [views.attempt(each, private=private) for each in attempts]
    return json_response(view)


@router.post("/{delivery_id}/redeliver", status_code=202, summary="Deliver an event again")
async def redeliver(request: Request, webhook_id: str, delivery_id: str) -> Response:
    check_query(request, ())
    await read_nothing(request)
    deps, context = deps_of(request), context_of(request)
    row = await _visible(request, webhook_id)
    found = await one_delivery(deps.reader, row["uuid"], delivery_id)
    await redeliver_one(deps, context, row, found)
    return json_response({"uuid": found["uuid"]}, 202)


async def _visible(request: Request, ident: str) -> Row:
    deps, context = deps_of(request), context_of(request)
    row = await one_webhook(deps.reader, context.scope_project, ident)
    deps.policy.check(context, "webhook:get_deliveries", project_id=row["project_id"])
    return row
