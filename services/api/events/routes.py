"""/v1/events: the event log."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from services.api.context import context_of
from services.api.deps import deps_of
from services.api.events.stream import catalog, read_filters, read_log, stream
from services.api.operations.views import event
from services.api.wire.bodies import check_query
from services.api.wire.paging import read_page
from services.api.wire.rendering import base_url, json_response
from shared.events.catalog import PREFIX

router = APIRouter(prefix="/v1", tags=["events"])


@router.get("/events", summary="List events")
async def get_all(request: Request) -> Response:
    check_query(request, ("after", "limit", "cluster", "type"))
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "event:get_all")
    limit = read_page(request, columns=("id",), max_limit=deps.settings.api_max_limit).limit
    filters = read_filters(request.query_params)
    events = await read_log(deps, context, filters, limit=limit)
    cursor = str(events[-1].cursor) if events else request.query_params.get("after")
    body: dict[str, object] = {"events": [event(each, PREFIX) for each in events], "cursor": cursor}
    if len(events) == limit:
        following = request.url.include_query_params(after=cursor, limit=limit).query
        body["next"] = f"{base_url(request)}/v1/events?{following}"
    return json_response(body)


@router.get("/events/stream", summary="Stream events (server-sent events)")
async def follow(request: Request) -> Response:
    """`Last-Event-ID` or `after` resumes the stream. By default, it starts at the beginning of the log."""
    check_query(request, ("after", "cluster", "type"))
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "event:get_all")
    filters = read_filters(request.query_params, last_event_id=request.headers.get("last-event-id"))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(deps, context, filters), media_type="text/event-stream", headers=headers)


@router.get("/event-types", summary="List event types with their JSON Schemas")
async def types(request: Request) -> Response:
    check_query(request, ())
    return json_response({"event_types": catalog()})
