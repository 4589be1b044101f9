"""The OpenAPI document describes what is really answered (schemathesis), and every route is in it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

TEMPLATE = {"name": "t1", "coe": "kubernetes", "image_id": "ubuntu", "flavor_id": "small"}
KNOWN = {
    "template_id": "t1",
    "cluster_id": "c1",
    "federation_id": "f1",
    "webhook_id": "w1",
    "token_id": "p1",
    "project_id": "p1",
    "resource": "Cluster",
    "driver_name": "swarm-ubuntu",
}
EFFORT = settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.fixture
def api_schema(served: str) -> Any:
    """The document, without the route whose answer never ends; a template and a cluster exist."""
    headers = {"X-Auth-Token": "user", "OpenStack-API-Version": "container-infra latest"}
    with httpx.Client(base_url=served, headers=headers, trust_env=False, timeout=20) as client:
        assert client.post("/v1/clustertemplates", json=TEMPLATE).status_code == 201
        body = {"name": "c1", "cluster_template_id": "t1", "node_count": 2}
        accepted = client.post("/v1/clusters", json=body)
        assert accepted.status_code == 202, accepted.text
        federation = {"name": "f1", "hostcluster_id": "c1", "properties": {"dns-zone": "x."}}
        assert client.post("/v1/federations", json=federation).status_code == 202
        webhook = {"name": "w1", "url": "https://hooks.example.com/"}
        assert client.post("/v1/webhooks", json=webhook).status_code == 201
        assert client.post("/v1/prometheus/tokens", json={"name": "p1"}).status_code == 201
    return schemathesis.openapi.from_url(f"{served}/openapi.json").exclude(path="/v1/events/stream")


@pytest.mark.timeout(600)
def test_answers_are_as_described(api_schema: Any) -> None:
    seen: Counter[int] = Counter()
    for result in api_schema.get_all_operations():
        operation = result.ok()

        @EFFORT
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            for name, known in KNOWN.items():
                # Random text never names a thing; without things most routes would only be seen to refuse.
                if name in case.path_parameters and len(case.path_parameters[name]) % 2:
                    case.path_parameters[name] = known
            answer = case.call(headers={"X-Auth-Token": "user"}, timeout=20)
            case.validate_response(answer, checks=CHECKS)
            seen[answer.status_code] += 1

        check()
    assert seen[200] > 50
    assert seen[400] > 50
    assert seen[404] > 50


async def test_every_resource_can_be_shown_as_described(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert (await client.post("/v1/clustertemplates", json=TEMPLATE)).status_code == 201
    assert (await client.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "t1"})).status_code == 202
    webhook = {"name": "w1", "url": "https://hooks.example.com/"}
    assert (await client.post("/v1/webhooks", json=webhook)).status_code == 201
    assert (await client.post("/v1/prometheus/tokens", json={"name": "p1"})).status_code == 201
    delivery = (await client.post("/v1/webhooks/w1/test")).json()["uuid"]
    for path, name in (
        ("/v1/clustertemplates/t1", "ClusterTemplate"),
        ("/v1/clusters/c1", "Cluster"),
        ("/v1/clusters/c1/nodegroups/default-worker", "Nodegroup"),
        ("/v1/webhooks/w1", "Webhook"),
        ("/v1/prometheus/tokens/p1", "Token"),
        (f"/v1/webhooks/w1/deliveries/{delivery}", "DeliveryLog"),
    ):
        answer = await client.get(path)
        schema = document["components"]["schemas"][name]
        assert set(schema["required"]) <= set(answer.json()) <= set(schema["properties"])
