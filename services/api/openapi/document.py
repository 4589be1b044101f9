"""The OpenAPI document: FastAPI's description of the routes, completed with bodies, queries and responses.

Rule: `_ROUTES` has one entry per route; a test fails if one is missing. The document is built once, when it is first
requested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.api.certificates.routes import FIELDS as CERTIFICATE_FIELDS
from services.api.clusters.fields import FIELDS as CLUSTER_FIELDS
from services.api.clusters.resize import FIELDS as RESIZE_FIELDS
from services.api.clusters.upgrade import FIELDS as UPGRADE_FIELDS
from services.api.events.filters import PARAMETERS as EVENT_FILTERS
from services.api.federations.manage import FIELDS as FEDERATION_FIELDS
from services.api.nodegroups.fields import FIELDS as NODEGROUP_FIELDS
from services.api.nodes.agent_routes import CSR_FIELDS, REPORT_FIELDS, RESULT_FIELDS
from services.api.openapi.examples import EXAMPLES
from services.api.openapi.patches import (
    CLUSTER_PATCH,
    FEDERATION_PATCH,
    NODEGROUP_PATCH,
    TEMPLATE_PATCH,
    WEBHOOK_PATCH,
)
from services.api.openapi.queries import query_schema
from services.api.openapi.refusals import add_refusals, path_parameters
from services.api.openapi.schemas import SCHEMAS, Schema, body, listed, ref
from services.api.prometheus.tokens import FIELDS as TOKEN_FIELDS
from services.api.quotas.manage import FIELDS as QUOTA_FIELDS
from services.api.templates.fields import FIELDS as TEMPLATE_FIELDS
from services.api.webhooks.fields import FIELDS as WEBHOOK_FIELDS
from services.api.webhooks.fields import REDELIVER_FIELDS
from services.api.wire import microversion

_PAGE = ("limit", "marker", "sort_key", "sort_dir")
_ANY: Schema = {"type": "object"}


@dataclass(frozen=True, slots=True)
class _Route:
    """Args: ok: status -> schema (None: no body); auth: a key of _SCHEMES, or ``; forms: other media types."""

    ok: dict[int, Schema | None]
    query: Sequence[str] = ()
    body: Schema | None = None
    auth: str = "keystone"
    media: str = "application/json"
    forms: dict[str, Schema] = field(default_factory=dict)


def _one(name: str) -> dict[int, Schema | None]:
    return {200: ref(name)}


_ROUTES: dict[tuple[str, str], _Route] = {
    ("get", "/"): _Route({200: _ANY}, auth=""),
    ("get", "/v1"): _Route({200: _ANY}, auth=""),
    ("get", "/healthcheck"): _Route(
        {200: {"type": "string"}}, auth="", media="text/plain", forms={"application/json": _ANY}
    ),
    ("head", "/healthcheck"): _Route({204: None}, auth=""),
    ("get", "/livez"): _Route({200: {"type": "string"}}, auth="", media="text/plain"),
    ("get", "/readyz"): _Route({200: _ANY, 503: _ANY}, auth=""),
    ("get", "/metrics"): _Route({200: {"type": "string"}}, auth="", media="text/plain"),
    ("get", "/v1/clustertemplates"): _Route({200: listed("clustertemplates", "ClusterTemplate")}, _PAGE),
    ("get", "/v1/clustertemplates/detail"): _Route({200: listed("clustertemplates", "ClusterTemplate")}, _PAGE),
    ("post", "/v1/clustertemplates"): _Route({201: ref("ClusterTemplate")}, body=body(TEMPLATE_FIELDS)),
    ("get", "/v1/clustertemplates/{template_id}"): _Route(_one("ClusterTemplate")),
    ("patch", "/v1/clustertemplates/{template_id}"): _Route(_one("ClusterTemplate"), body=TEMPLATE_PATCH),
    ("delete", "/v1/clustertemplates/{template_id}"): _Route({204: None}),
    ("get", "/v1/clusters"): _Route({200: listed("clusters", "ClusterSummary")}, _PAGE),
    ("get", "/v1/clusters/detail"): _Route({200: listed("clusters", "Cluster")}, _PAGE),
    ("post", "/v1/clusters"): _Route({200: ref("Preview"), 202: ref("Accepted")}, ("dry_run",), body(CLUSTER_FIELDS)),
    ("get", "/v1/clusters/{cluster_id}"): _Route(_one("Cluster")),
    ("patch", "/v1/clusters/{cluster_id}"): _Route({202: ref("Accepted")}, ("rollback",), CLUSTER_PATCH),
    ("delete", "/v1/clusters/{cluster_id}"): _Route({204: None}),
    ("get", "/v1/clusters/{cluster_id}/config"): _Route(
        _one("Config"), ("hours",), forms={"application/yaml": {"type": "string"}}
    ),
    ("get", "/v1/clusters/{cluster_id}/operations"): _Route(
        {200: listed("operations", "Operation")}, ("limit", "marker", "state")
    ),
    ("get", "/v1/clusters/{cluster_id}/nodes"): _Route(
        {200: listed("nodes", "Node")}, ("limit", "marker", "state", "nodegroup")
    ),
    ("get", "/v1/clusters/{cluster_id}/nodes/{node_id}"): _Route(_one("Node")),
    ("get", "/v1/clusters/{cluster_id}/nodegroups"): _Route(
        {200: listed("nodegroups", "NodegroupSummary")}, (*_PAGE, "role")
    ),
    ("get", "/v1/clusters/{cluster_id}/nodegroups/{nodegroup_id}"): _Route(_one("Nodegroup")),
    ("post", "/v1/clusters/{cluster_id}/nodegroups"): _Route(
        {202: ref("NodegroupAccepted")}, body=body(NODEGROUP_FIELDS)
    ),
    ("patch", "/v1/clusters/{cluster_id}/nodegroups/{nodegroup_id}"): _Route(
        {202: ref("Nodegroup")}, body=NODEGROUP_PATCH
    ),
    ("delete", "/v1/clusters/{cluster_id}/nodegroups/{nodegroup_id}"): _Route({204: None}),
    ("post", "/v1/clusters/{cluster_id}/actions/resize"): _Route({202: ref("Accepted")}, body=body(RESIZE_FIELDS)),
    ("post", "/v1/clusters/{cluster_id}/actions/upgrade"): _Route({202: ref("Accepted")}, body=body(UPGRADE_FIELDS)),
    ("patch", "/v1/certificates/{cluster_id}"): _Route({202: ref("Accepted")}),
    ("patch", "/v1/credentials/{cluster_id}"): _Route({202: ref("Accepted")}),
    ("get", "/v1/certificates/{cluster_id}"): _Route(_one("Certificate"), ("ca_cert_type",)),
    ("post", "/v1/certificates"): _Route({201: ref("Certificate")}, body=body(CERTIFICATE_FIELDS)),
    ("get", "/v1/federations"): _Route({200: listed("federations", "FederationSummary")}, _PAGE),
    ("get", "/v1/federations/detail"): _Route({200: listed("federations", "Federation")}, _PAGE),
    ("post", "/v1/federations"): _Route({202: ref("Accepted")}, body=body(FEDERATION_FIELDS)),
    ("get", "/v1/federations/{federation_id}"): _Route(_one("Federation")),
    ("patch", "/v1/federations/{federation_id}"): _Route({202: ref("Accepted")}, ("rollback",), FEDERATION_PATCH),
    ("delete", "/v1/federations/{federation_id}"): _Route({204: None}),
    ("get", "/v1/quotas"): _Route({200: listed("quotas", "Quota")}, (*_PAGE, "all_tenants")),
    ("post", "/v1/quotas"): _Route({201: ref("Quota")}, body=body(QUOTA_FIELDS)),
    ("get", "/v1/quotas/{project_id}/{resource}"): _Route(_one("Quota")),
    ("patch", "/v1/quotas/{project_id}/{resource}"): _Route({202: ref("Quota")}, body=body(QUOTA_FIELDS)),
    ("delete", "/v1/quotas/{project_id}/{resource}"): _Route({204: None}),
    ("get", "/v1/stats"): _Route(_one("Stats"), ("project_id", "type")),
    ("get", "/v1/mservices"): _Route({200: listed("mservices", "Service")}),
    ("get", "/v1/drivers"): _Route({200: listed("drivers", "DriverSummary")}),
    ("get", "/v1/drivers/{driver_name}"): _Route(_one("Driver")),
    ("get", "/v1/operations"): _Route({200: listed("operations", "Operation")}, ("limit", "marker", "state")),
    ("get", "/v1/operations/{operation_id}"): _Route(_one("Operation")),
    ("post", "/v1/operations/{operation_id}/retry"): _Route({202: ref("Accepted")}),
    ("post", "/v1/operations/{operation_id}/cancel"): _Route({202: ref("Accepted")}),
    ("get", "/v1/events"): _Route({200: listed("events", "Event")}, (*EVENT_FILTERS, "limit")),
    ("get", "/v1/events/stream"): _Route({200: {"type": "string"}}, EVENT_FILTERS, media="text/event-stream"),
    ("get", "/v1/event-types"): _Route({200: _ANY}),
    ("get", "/asyncapi.json"): _Route({200: _ANY}, auth=""),
    ("get", "/v1/webhooks"): _Route({200: listed("webhooks", "Webhook")}, _PAGE),
    ("post", "/v1/webhooks"): _Route({201: ref("NewWebhook")}, body=body(WEBHOOK_FIELDS)),
    ("get", "/v1/webhooks/{webhook_id}"): _Route(_one("Webhook")),
    ("patch", "/v1/webhooks/{webhook_id}"): _Route(_one("Webhook"), body=WEBHOOK_PATCH),
    ("delete", "/v1/webhooks/{webhook_id}"): _Route({204: None}),
    ("post", "/v1/webhooks/{webhook_id}/test"): _Route({202: ref("Accepted")}),
    ("post", "/v1/webhooks/{webhook_id}/rotate-secret"): _Route(_one("NewSecret")),
    ("post", "/v1/webhooks/{webhook_id}/redeliver"): _Route({202: ref("Redelivery")}, body=body(REDELIVER_FIELDS)),
    ("get", "/v1/webhooks/{webhook_id}/deliveries"): _Route(
        {200: listed("deliveries", "Delivery")}, ("limit", "marker", "state")
    ),
    ("get", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"): _Route(_one("DeliveryLog")),
    ("post", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): _Route({202: ref("Accepted")}),
    ("get", "/v1/prometheus/targets"): _Route({200: ref("Targets")}, ("port",), auth="prometheus"),
    ("get", "/v1/prometheus/tokens"): _Route({200: listed("tokens", "Token")}, _PAGE),
    ("post", "/v1/prometheus/tokens"): _Route({201: ref("NewToken")}, body=body(TOKEN_FIELDS)),
    ("get", "/v1/prometheus/tokens/{token_id}"): _Route(_one("Token")),
    ("delete", "/v1/prometheus/tokens/{token_id}"): _Route({204: None}),
    ("post", "/v1/nodes/{node_id}/credential"): _Route({200: _ANY}, auth="token"),
    ("get", "/v1/nodes/{node_id}/bootstrap"): _Route({200: _ANY}, auth="node"),
    ("post", "/v1/nodes/{node_id}/reports"): _Route({204: None}, body=body(REPORT_FIELDS), auth="node"),
    ("post", "/v1/nodes/{node_id}/csr"): _Route({200: _ANY}, body=body(CSR_FIELDS), auth="node"),
    ("get", "/v1/nodes/{node_id}/commands"): _Route({200: _ANY}, ("wait",), auth="node"),
    ("post", "/v1/nodes/{node_id}/commands/{command_id}/result"): _Route(
        {204: None}, body=body(RESULT_FIELDS), auth="node"
    ),
}
_SCHEMES = {
    "keystone": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "token": {"type": "apiKey", "in": "header", "name": "X-Jeroboam-Token"},
    "node": {"type": "http", "scheme": "bearer"},
    "prometheus": {"type": "http", "scheme": "bearer", "description": "or as the password of basic authentication"},
}


def install(app: FastAPI) -> None:
    """Make the application serve the completed document."""
    built: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not built:
            described = get_openapi(title=app.title, version=app.version, routes=app.routes)
            built.update(_complete(described))
            add_refusals(built["paths"], app.routes, _refusing())
        return built

    app.openapi = document  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    document["components"] = {"schemas": SCHEMAS, "securitySchemes": _SCHEMES}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _describe((method, path), operation)
    return document


def _describe(place: tuple[str, str], operation: dict[str, Any]) -> None:
    route = _ROUTES[place]
    parameters = path_parameters(place[1])
    parameters += [{"name": name, "in": "query", "schema": query_schema(place[1], name)} for name in route.query]
    if route.auth == "keystone":
        known = [f"container-infra 1.{minor}" for minor in range(1, microversion.MAX[1] + 1)]
        schema = {"enum": [*known, "container-infra latest"]}
        parameters.append({"name": microversion.HEADER, "in": "header", "schema": schema})
    operation["parameters"] = parameters
    operation["responses"] = {
        str(status): _answer(schema, route.media, route.forms) for status, schema in route.ok.items()
    }
    if route.auth:
        refusing = _refusing(route.auth)
        operation["security"] = refusing["security"]
        operation["responses"] |= refusing["responses"]
    if route.body is not None:
        content = {"schema": route.body, **({"example": EXAMPLES[place]} if place in EXAMPLES else {})}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}


def _refusing(auth: str = "keystone") -> dict[str, Any]:
    """Security and error responses of a route that requires credentials."""
    errors = _answer(ref("Errors"), "application/json")
    unauthorized = _answer(ref("Unauthorized"), "application/json") if auth == "keystone" else errors
    return {"security": [{auth: []}], "responses": {"401": unauthorized, "4XX": errors, "503": errors}}


def _answer(schema: Schema | None, media: str, forms: Mapping[str, Schema] = MappingProxyType({})) -> dict[str, Any]:
    if schema is None:
        return {"description": "Success, without a body"}
    content = {media: schema, **forms}
    return {"description": "Response", "content": {name: {"schema": each} for name, each in content.items()}}
