"""/v1/webhooks"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.context import context_of
from services.api.deps import deps_of
from services.api.reader import Row
from services.api.webhooks import manage as webhooks
from services.api.webhooks.deliveries import redeliver_since, send_test
from services.api.webhooks.fields import RULES
from services.api.webhooks.queries import COLUMNS, list_webhooks, one_webhook
from services.api.webhooks.views import webhook
from services.api.wire.bodies import check_query, read_nothing, read_object
from services.api.wire.paging import ARGUMENTS, read_page
from services.api.wire.patch import read_for
from services.api.wire.rendering import base_url, empty_response, json_response

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.get("", summary="List webhooks")
async def get_all(request: Request) -> Response:
    check_query(request, ARGUMENTS)
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "webhook:get_all")
    page = read_page(request, columns=COLUMNS, max_limit=deps.settings.api_max_limit)
    rows = await list_webhooks(deps.reader, context.scope_project, page)
    body: dict[str, object] = {"webhooks": [_view(request, row) for row in rows]}
    if rows:
        body |= page.next_link(base_url(request), "webhooks", rows[-1]["uuid"], rows)
    return json_response(body)


@router.post("", status_code=201, summary="Create a webhook")
async def post(request: Request) -> Response:
    """The response contains the secret that signs deliveries; it is not shown again."""
    check_query(request, ())
    body = await read_object(request, "webhook")
    uuid, secret = await webhooks.create_webhook(deps_of(request), context_of(request), body)
    view = _view(request, await _find(request, uuid)) | {"secret": secret}
    return json_response(view, 201, {"Location": f"{base_url(request)}/v1/webhooks/{uuid}"})


@router.get("/{webhook_id}", summary="Show a webhook")
async def get_one(request: Request, webhook_id: str) -> Response:
    check_query(request, ())
    row = await _find(request, webhook_id)
    deps_of(request).policy.check(context_of(request), "webhook:get", project_id=row["project_id"])
    return json_response(_view(request, row))


@router.patch("/{webhook_id}", summary="Update a webhook")
async def patch(request: Request, webhook_id: str) -> Response:
    """With `enabled` false, events are kept and sent when it is enabled again."""
    check_query(request, ())
    row, changes = await read_for(request, RULES, lambda: _find(request, webhook_id))
    await webhooks.update_webhook(deps_of(request), context_of(request), row, changes)
    return json_response(_view(request, await _find(request, row["uuid"])))


@router.delete("/{webhook_id}", status_code=204, summary="Delete a webhook")
async def delete(request: Request, webhook_id: str) -> Response:
    check_query(request, ())
    row = await _find(request, webhook_id)
    await webhooks.delete_webhook(deps_of(request), context_of(request), row)
    return empty_response()


@router.post("/{webhook_id}/test", status_code=202, summary="Send a test event to a webhook")
async def test(request: Request, webhook_id: str) -> Response:
    """The response contains the UUID of the delivery, which shows how the receiver answered."""
    check_query(request, ())
    await read_nothing(request)
    row = await _find(request, webhook_id)
    return json_response({"uuid": await send_test(deps_of(request), context_of(request), row)}, 202)


@router.post("/{webhook_id}/rotate-secret", summary="Replace the secret of a webhook")
async def rotate_secret(request: Request, webhook_id: str) -> Response:
    """Until `old_secret_until`, deliveries have two signatures, of the new secret and of the old one."""
    check_query(request, ())
    await read_nothing(request)
    row = await _find(request, webhook_id)
    secret, until = await webhooks.rotate_secret(deps_of(request), context_of(request), row)
    return json_response({"uuid": row["uuid"], "secret": secret, "old_secret_until": until})


@router.post("/{webhook_id}/redeliver", status_code=202, summary="Deliver all events since a time again")
async def redeliver(request: Request, webhook_id: str) -> Response:
    """Events that were delivered are sent again only with `all`."""
    check_query(request, ())
    body = await read_object(request, "redelivery")
    row = await _find(request, webhook_id)
    return json_response(await redeliver_since(deps_of(request), context_of(request), row, body), 202)


async def _find(request: Request, ident: str) -> Row:
    return await one_webhook(deps_of(request).reader, context_of(request).scope_project, ident)


def _view(request: Request, row: Row) -> dict[str, object]:
    private = deps_of(request).policy.allows(context_of(request), "webhook:get_private", project_id=row["project_id"])
    return webhook(row, base_url(request), private=private)
