"""/v1/events: the event log."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.context import context_of
from services.api.deps import deps_of
from services.api.events.filters import PARAMETERS, read_wanted
from services.api.events.stream import EventStream
from services.api.operations.views import event
from services.api.wire.bodies import check_query
from services.api.wire.paging import read_page
from services.api.wire.rendering import base_url, json_response
from shared.events.reader import Cursor

router = APIRouter(prefix="/v1", tags=["events"])


@router.get("/events", summary="List events")
async def get_all(request: Request) -> Response:
    check_query(request, (*PARAMETERS, "limit"))
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "event:get_all")
    limit = read_page(request, columns=("id",), max_limit=deps.settings.api_max_limit).limit
    wanted = read_wanted(request.query_params, context)
    await deps.event_log.settle()
    extent = await deps.event_log.extent()
    start = await deps.event_log.start(wanted.after, extent)
    events, full = await deps.event_log.listed(wanted.selection, after=start, limit=limit)
    position = events[-1].position if events else start
    if not full:
        # What does not match has been read too.
        position = max(position, extent.last)
    cursor = str(Cursor.at(position))
    body: dict[str, object] = {"events": [event(each) for each in events], "cursor": cursor}
    if full:
        following = request.url.include_query_params(after=cursor, limit=limit).query
        body["next"] = f"{base_url(request)}/v1/events?{following}"
    return json_response(body)


@router.get("/events/stream", summary="Stream events (server-sent events)")
async def follow(request: Request) -> Response:
    """`Last-Event-ID` or `after` resumes the stream. By default, it starts with the oldest event that is kept."""
    check_query(request, PARAMETERS)
    deps, context = deps_of(request), context_of(request)
    deps.policy.check(context, "event:get_all")
    wanted = read_wanted(request.query_params, context, last_event_id=request.headers.get("last-event-id"))
    release = deps.stream_places.take(user=context.user_id, project=context.project_id, process="")
    try:
        await deps.event_log.settle()
        start = await deps.event_log.start(wanted.after, await deps.event_log.extent())
        return EventStream(deps.hub, deps.event_log, wanted.selection, start, deps.settings.streams, release)
    except BaseException:
        release()
        raise
