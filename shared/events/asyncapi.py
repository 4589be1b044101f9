"""The AsyncAPI document: every event type over the bus, as server-sent events and to webhooks.

Rule: everything in it is generated from the catalog, the topology of the bus and the conversions to CloudEvents, so
that it cannot differ from what is sent. Sources: AsyncAPI 3.1.0 and its bindings for AMQP (0.3.0) and HTTP (0.3.0).
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from shared.bus.topology import EXCHANGE
from shared.events.catalog import CATALOG, EventType
from shared.events.examples import example_of

JSON = dict[str, Any]
_VERSION = "3.1.0"
_STRING: JSON = {"type": "string"}
_ATTRIBUTES: dict[str, JSON] = {
    "specversion": {"const": "1.0"},
    "id": {"type": "string", "description": "the same wherever the event is sent; recognizes duplicates"},
    "source": _STRING,
    "type": _STRING,
    "subject": _STRING,
    "time": {"type": "string", "format": "date-time"},
    "projectid": _STRING,
    "clusterid": _STRING,
    "operationid": _STRING,
    "sequence": {"type": "string", "description": "number of the event among those of its cluster, without gaps"},
    "traceparent": {
        "type": "string",
        "description": "W3C Trace Context of the request that caused the event; missing if no request did",
        "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    },
}
_REQUIRED = ["specversion", "id", "source", "type", "subject", "time", "projectid"]
_SIGNED: JSON = {
    "type": "object",
    "description": "Standard Webhooks",
    "properties": {
        **dict.fromkeys(("webhook-id", "webhook-timestamp", "webhook-signature"), _STRING),
        "traceparent": _ATTRIBUTES["traceparent"],
    },
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
}
_WAYS = ("bus", "stream", "webhook")


def asyncapi_document(base_url: str) -> JSON:
    """Build the document.

    Args:
        base_url: URL of the API, without a path at its end.
    """
    schemas: JSON = {"CloudEventAttributes": _object(_ATTRIBUTES, _REQUIRED), "WebhookHeaders": _SIGNED}
    # The context of the transport, for consumers that know nothing of CloudEvents, is that of the event.
    headers = {f"ce-{name}": schema for name, schema in _ATTRIBUTES.items()}
    headers["traceparent"] = _ATTRIBUTES["traceparent"]
    schemas["BusHeaders"] = _object(headers, [f"ce-{name}" for name in _REQUIRED])
    messages: JSON = {}
    for entry in CATALOG.values():
        _add_schema(schemas, entry)
        for way in _WAYS:
            messages[_message_name(entry, way)] = _message(entry, way)
    url = urlsplit(base_url)
    return {
        "asyncapi": _VERSION,
        "info": {
            "title": "Jeroboam events",
            "version": "1",
            "description": "Events of container clusters: on RabbitMQ, as server-sent events, and to webhooks.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "bus": {"host": "rabbitmq:5672", "protocol": "amqp", "protocolVersion": "0.9.1"},
            "api": {
                "host": url.netloc,
                "protocol": url.scheme,
                **({"pathname": url.path} if url.path.strip("/") else {}),
            },
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": messages, "schemas": schemas},
    }


def _object(properties: JSON, required: list[str]) -> JSON:
    return {"type": "object", "properties": properties, "required": required}


def _add_schema(schemas: JSON, entry: EventType) -> None:
    """Add the schema of a type's data; nested definitions become schemas of their own."""
    schema = entry.data.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[entry.data.__name__] = schema


def _message_name(entry: EventType, way: str) -> str:
    return f"{entry.name}-{way}"


def _message(entry: EventType, way: str) -> JSON:
    data: JSON = {"$ref": f"#/components/schemas/{entry.data.__name__}"}
    name, example = entry.cloudevents_type, example_of(entry)
    described: JSON = {"name": name, "title": entry.name, "summary": entry.summary}
    if way == "bus":
        return described | {
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/BusHeaders"},
            "payload": data,
            "bindings": {"amqp": {"messageType": entry.name, "bindingVersion": "0.3.0"}},
            "examples": [{"payload": example}],
        }
    whole = _object({"type": {"const": name}, "data": data}, ["data"])
    payload: JSON = {"allOf": [{"$ref": "#/components/schemas/CloudEventAttributes"}, whole]}
    described |= {"contentType": "application/cloudevents+json", "payload": payload}
    described["examples"] = [{"payload": example_event(entry)}]
    if way == "webhook":
        described["headers"] = {"$ref": "#/components/schemas/WebhookHeaders"}
    return described


def example_event(entry: EventType) -> JSON:
    """An example of a whole event in JSON."""
    cluster = "0190a5d2-7c3e-7b6a-9d0e-3f1b5c7d9e00"
    return {
        "specversion": "1.0",
        "id": "0190a5d2-7c3e-7b6a-9d0e-3f1b5c7d9e0f",
        "source": "/jeroboam",
        "type": entry.cloudevents_type,
        "subject": f"clusters/{cluster}",
        "time": "2026-01-31T12:00:00+00:00",
        "projectid": "9d8f0c2b4e6a4b0c8d7e6f5a4b3c2d1e",
        "clusterid": cluster,
        "sequence": "7",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "datacontenttype": "application/json",
        "data": example_of(entry),
    }


def _channel_name(entry: EventType) -> str:
    return entry.name


def _channels() -> JSON:
    exchange = {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False, "vhost": "/"}
    channels: JSON = {
        _channel_name(entry): {
            "address": entry.name,
            "summary": entry.summary,
            "servers": [{"$ref": "#/servers/bus"}],
            "messages": {"event": {"$ref": f"#/components/messages/{_message_name(entry, 'bus')}"}},
            "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
        }
        for entry in CATALOG.values()
    }
    for way, address, text in (
        ("stream", "/v1/events/stream", "Server-sent events. `id` is the cursor for `Last-Event-ID`."),
        ("webhook", None, "Requests to the URL of a webhook, signed."),
    ):
        channels[way] = {
            "address": address,
            "description": text,
            "messages": {
                entry.name: {"$ref": f"#/components/messages/{_message_name(entry, way)}"} for entry in CATALOG.values()
            },
            **({"servers": [{"$ref": "#/servers/api"}]} if address else {}),
        }
    return channels


def _operations() -> JSON:
    operations: JSON = {}
    for entry in CATALOG.values():
        name = _channel_name(entry)
        operations[f"publish-{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [{"$ref": f"#/channels/{name}/messages/event"}],
            "bindings": {
                "amqp": {"deliveryMode": 2, "mandatory": entry.mandatory, "bindingVersion": "0.3.0"},
            },
        }
    for way, method in (("stream", "GET"), ("webhook", "POST")):
        operations[f"send-{way}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{way}"},
            "bindings": {"http": {"method": method, "bindingVersion": "0.3.0"}},
        }
    return operations


def as_text(document: JSON) -> str:
    """The document as indented JSON."""
    return json.dumps(document, indent=1) + "\n"
