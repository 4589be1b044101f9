"""JSON Schemas of responses, for the OpenAPI document.

Rule: attribute names are taken from the views, so they cannot differ from them; only types are defined here.
`tests/property/api/test_schema.py` validates real responses against the schemas.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.api.administration import driver_views as drivers
from services.api.administration import views as administration
from services.api.clusters import views as clusters
from services.api.federations import views as federations
from services.api.operations import views as work
from services.api.prometheus import targets, tokens
from services.api.templates import views as templates
from services.api.webhooks import views as webhooks

Schema = dict[str, Any]

_INTEGER = {"type": ["integer", "null"]}
_BOOLEAN = {"type": ["boolean", "null"]}
_OBJECT = {"type": ["object", "null"]}
_STRING = {"type": ["string", "null"]}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_TEXTS = {"type": ["array", "null"], "items": {"type": "string"}}

_TYPES: dict[str, Schema] = {
    **dict.fromkeys(
        (
            *("id", "node_count", "master_count", "docker_volume_size", "create_timeout", "apiserver_port", "done"),
            *("min_node_count", "max_node_count", "total", "attempts", "index", "shard", "revision"),
            *("hard_limit", "report_count", "clusters", "nodes", "last_status", "deliveries"),
        ),
        _INTEGER,
    ),
    **dict.fromkeys(
        (
            *("registry_enabled", "tls_disabled", "public", "hidden", "master_lb_enabled", "floating_ip_enabled"),
            *("merge_labels", "is_default", "cancel_requested", "disabled", "beta"),
            *("ordered", "enabled", "more"),
        ),
        _BOOLEAN,
    ),
    **dict.fromkeys(
        (
            *("labels", "labels_overridden", "labels_added", "labels_skipped", "health_status_reason", "faults"),
            *("node_labels", "params", "health", "data", "properties"),
        ),
        _OBJECT,
    ),
    **dict.fromkeys(
        (
            *("created_at", "updated_at", "started_at", "finished_at", "deadline_at", "next_attempt_at"),
            *("announced_at", "joined_at", "last_report_at"),
            *("failing_since", "last_success_at", "old_secret_until", "expires_at", "last_used_at"),
        ),
        _TIME,
    ),
    **dict.fromkeys(
        (
            *("node_addresses", "master_addresses", "member_ids", "nodegroup_ids", "coes", "distros", "server_types"),
            *("capabilities", "network_drivers", "volume_drivers"),
            *("event_types", "cluster_ids", "outcomes"),
        ),
        _TEXTS,
    ),
    "node_taints": {"type": "array", "items": {"type": "object"}},
    "steps": {"type": "array", "items": {"type": "object"}},
    "log": {"type": "array", "items": {"type": "object"}},
    "links": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"href": {"type": "string"}, "rel": {"type": "string"}},
            "required": ["href", "rel"],
        },
    },
}


def _resource(names: Iterable[str], *more: str, optional: Iterable[str] = ()) -> Schema:
    """An object with exactly these attributes, all of which are always present except `optional` ones."""
    required = [*names, *more]
    properties = {name: _TYPES.get(name, _STRING) for name in (*required, *optional)}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_DIFFERENCES = ("labels_overridden", "labels_added", "labels_skipped")
_TIMES = ("created_at", "updated_at")
_STACK = ("stack_id", "cluster_id")

SCHEMAS: dict[str, Schema] = {
    "ClusterTemplate": _resource(templates.ATTRIBUTES, "links", *_TIMES),
    "ClusterSummary": _resource(clusters.REDUCED, "merge_labels", "links", optional=_STACK),
    "Cluster": _resource(clusters.FULL, "merge_labels", "links", *_DIFFERENCES, *_TIMES, optional=(*_STACK, "faults")),
    "NodegroupSummary": _resource(clusters.NODEGROUP_REDUCED, "merge_labels"),
    "Nodegroup": _resource(clusters.NODEGROUP_FULL, "merge_labels", "links", *_DIFFERENCES, *_TIMES),
    "NodegroupAccepted": _resource(clusters.NODEGROUP_ACCEPTED, optional=clusters.NODEGROUP_GIVEN),
    "Node": _resource(work.NODE, "health", *work.NODE_TIMES, "links"),
    "Operation": _resource(work.OPERATION, *work.OPERATION_TIMES, "links", optional=("steps",)),
    "Event": _resource(
        ("specversion", "id", "source", "type", "subject", "time", "projectid", "clusterid", "operationid"),
        *("sequence", "traceparent", "datacontenttype", "data", "cursor"),
    ),
    "Certificate": _resource(("cluster_uuid", "pem", "links"), optional=("csr", "ca_cert_type")),
    "FederationSummary": _resource(federations.REDUCED, "links"),
    "Federation": _resource(federations.REDUCED, "status_reason", "links", *_TIMES),
    "Quota": _resource(administration.QUOTA[1:], optional=("id", *_TIMES)),
    "Stats": _resource(("clusters", "nodes")),
    "Service": _resource(administration.SERVICE, *_TIMES),
    "Webhook": _resource(webhooks.ATTRIBUTES, "links"),
    "NewWebhook": _resource(webhooks.ATTRIBUTES, "links", "secret"),
    "NewSecret": _resource(("uuid", "secret", "old_secret_until")),
    "Delivery": _resource(webhooks.DELIVERY, *webhooks.DELIVERY_TIMES, "links"),
    "DeliveryLog": _resource(webhooks.DELIVERY, *webhooks.DELIVERY_TIMES, "links", "request_body", "log"),
    "Redelivery": _resource(("deliveries", "more")),
    "Token": _resource(tokens.ATTRIBUTES, *tokens.TIMES, "links"),
    "NewToken": _resource(tokens.ATTRIBUTES, *tokens.TIMES, "links", "token"),
    "Targets": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["targets", "labels"],
            "properties": {
                "targets": {"type": "array", "items": {"type": "string"}},
                "labels": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in targets.LABELS},
                    "additionalProperties": False,
                },
            },
        },
    },
    "DriverSummary": _resource(drivers.DRIVER),
    "Driver": _resource((*drivers.DRIVER, "labels")),
    "Accepted": _resource(("uuid",)),
    "Preview": {"type": "object", "required": ["accepted", "stacks", "nodes", "quotas", "problems"]},
    "Config": _resource(("filename", "content", "expires_at", "group")),
    "Errors": {
        "type": "object",
        "required": ["errors"],
        "properties": {
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["code", "title", "links"],
                    "properties": {
                        "request_id": {"type": "string"},
                        "code": {"type": "string"},
                        "status": {"type": "integer"},
                        "title": {"type": "string"},
                        "detail": {"type": "string"},
                        "links": {"type": "array"},
                        "description": {"type": "string"},
                        "max_version": {"type": "string"},
                        "min_version": {"type": "string"},
                    },
                },
            }
        },
    },
    "Unauthorized": {"type": "object", "required": ["error"]},
}
# A driver's labels are descriptions; the others are values.
SCHEMAS["Driver"]["properties"]["labels"] = {
    "type": "array",
    "items": {"type": "object", "required": ["name", "type", "default", "meaning", "nodegroup"]},
}
# An event's ID is a UUID; the numeric `id` belongs to nodegroups.
SCHEMAS["Event"]["properties"]["id"] = {"type": "string"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(key: str, name: str) -> Schema:
    """A page: the list under its key, and `next` (and `cursor`) if there are more items."""
    return {
        "type": "object",
        "properties": {
            key: {"type": "array", "items": ref(name)},
            "next": {"type": "string"},
            "cursor": {"type": ["string", "null"]},
        },
        "required": [key],
        "additionalProperties": False,
    }


def body(fields: Iterable[Any], *, closed: bool = True) -> Schema:
    """The schema of a request body, from its table of fields."""
    taken = [field for field in fields if not field.read_only and not field.ignored]
    return {
        "type": "object",
        "properties": {field.name: field.schema for field in taken},
        "required": [field.name for field in taken if field.mandatory],
        "additionalProperties": not closed,
    }
