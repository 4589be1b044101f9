"""The event types and the AsyncAPI document, as the API shows them. Both are the same for everybody."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, Request, Response

from services.api.wire.bodies import check_query
from services.api.wire.rendering import base_url, json_response
from shared.events.asyncapi import asyncapi_document
from shared.events.catalog import CATALOG
from shared.events.examples import example_of

router = APIRouter(tags=["events"])


@router.get("/v1/event-types", summary="List event types with their JSON Schemas and examples")
async def types(request: Request) -> Response:
    check_query(request, ())
    return json_response({"event_types": event_types()})


@router.get("/asyncapi.json", summary="Describe all events on the bus, in streams and to webhooks (AsyncAPI)")
async def asyncapi(request: Request) -> Response:
    check_query(request, ())
    return json_response(asyncapi_document(base_url(request)))


@cache
def event_types() -> list[dict[str, Any]]:
    """All event types with the JSON Schema and an example of their data."""
    return [
        {
            "type": entry.cloudevents_type,
            "name": entry.name,
            "summary": entry.summary,
            "mandatory": entry.mandatory,
            "schema": entry.data.model_json_schema(),
            "example": example_of(entry),
        }
        for entry in CATALOG.values()
    ]
