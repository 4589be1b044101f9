"""One trace leads from the request for a cluster through the bus to the steps and their calls of OpenStack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from sandbox.layout import SERVICES
from sandbox.postgres import EmbeddedPostgres
from sandbox.run import Sandbox, running_sandbox
from shared.telemetry.trace import trace_id_of
from tests.support import warm
from tests.support.client import Client
from tests.support.otlp_receiver import Received, Receiver, otlp_receiver
from tests.support.sandboxes import DatabaseOf, module_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL = 2, 3, 4, 5, 1  # as OTLP numbers them
client = module_client()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(postgres: EmbeddedPostgres, receiver: Receiver) -> AsyncIterator[Sandbox]:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    # All of them, because any one may publish an event.
    environment = dict.fromkeys(("api", *SERVICES), variables)
    async with running_sandbox(
        launch=warm.launch, postgres=DatabaseOf(postgres), extra_environment=environment
    ) as running:
        yield running


def ancestors(spans: list[Received], span: Received) -> list[Received]:
    """Its parent, that one's parent, and so on."""
    known = {each.span_id: each for each in spans}
    found = []
    while (parent := known.get(span.parent)) is not None:
        found.append(parent)
        span = parent
    return found


async def test_a_create_is_one_trace_across_processes(client: Client, receiver: Receiver) -> None:
    cluster = await client.create("traced", node_count=1)
    assert await client.settled(cluster) == "CREATE_COMPLETE"
    events = await client.events(cluster)
    trace_id = trace_id_of(events[0]["traceparent"])
    of_operation = [event for event in events if event.get("operationid")]
    assert len(of_operation) > 3
    assert {trace_id_of(event["traceparent"]) for event in of_operation} == {trace_id}

    def all_there() -> bool:
        named = {span.name for span in receiver.of(trace_id)}
        return {
            "POST /v1/clusters",
            "publish cluster.create.completed.v1",
            "process cluster.create.requested.v1",
        } <= named

    await asyncio.to_thread(receiver.until, all_there)
    spans = receiver.of(trace_id)
    (post,) = [span for span in spans if span.kind == SERVER]
    assert (post.service, post.name, post.parent) == ("jeroboam-api", "POST /v1/clusters", "")
    assert post.attributes["http.response.status_code"] == 202
    steps = [span for span in spans if span.kind == INTERNAL]
    assert {span.service for span in steps} == {"jeroboam-provisioner"}
    assert {span.attributes["jeroboam.outcome"] for span in steps} >= {"done", "wait"}
    assert all(span.parent == post.span_id for span in steps)
    # The first call in a project is refused, because the service has no role in it yet.
    calls = [span for span in spans if span.kind == CLIENT and span.name == "create stack"]
    call = next(span for span in calls if not span.failed)
    assert call.attributes["openstack.service"] == "orchestration"
    assert call.attributes["openstack.outcome"] == "ok"
    assert call.attributes["http.response.status_code"] == 201
    assert [span.name for span in ancestors(spans, call)[-1:]] == ["POST /v1/clusters"]
    assert ancestors(spans, call)[0] in steps
    checked = next(span for span in spans if span.service == "jeroboam-api" and "openstack.call" in span.attributes)
    assert ancestors(spans, checked) == [post]
    statements = [span for span in spans if "db.query.text" in span.attributes]
    inserted = next(span for span in statements if span.name == "WITH clusters")
    assert (inserted.kind, ancestors(spans, inserted)) == (CLIENT, [post])
    assert inserted.attributes["db.system.name"] == "postgresql"
    assert "traced" not in inserted.attributes["db.query.text"], "values are not part of the text"
    assert any(ancestors(spans, span)[0] in steps for span in statements), "statements of steps"
    handled = next(span for span in spans if span.name == "process cluster.create.requested.v1")
    published, asked = ancestors(spans, handled)
    assert (handled.kind, published.kind, asked) == (CONSUMER, PRODUCER, post)
    assert {span.attributes["error.type"] for span in spans if span.failed} <= {"Unauthorized", "Forbidden"}


async def test_a_caller_decides_whether_its_request_is_recorded(client: Client, receiver: Receiver) -> None:
    sampled, unsampled = ("4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4736")
    for trace_id, flags in ((unsampled, "00"), (sampled, "01")):
        headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-{flags}"}
        answer = await client.call("GET", "/v1/clusters/no-such-cluster", headers=headers)
        assert answer.status_code == 404
    await asyncio.to_thread(receiver.until, lambda: receiver.of(sampled))
    (span,) = [span for span in receiver.of(sampled) if span.kind == SERVER]
    assert (span.name, span.parent, span.failed) == ("GET /v1/clusters/{cluster_id}", "00f067aa0ba902b7", False)
    assert any(each.name == "SELECT clusters" and each.parent == span.span_id for each in receiver.of(sampled))
    assert receiver.of(unsampled) == []


async def test_only_spans_are_sent_and_nothing_of_probes_and_secrets(client: Client, receiver: Receiver) -> None:
    assert (await client.call("GET", "/readyz")).status_code == 200
    await client.get("/v1/clusters")
    await asyncio.to_thread(receiver.until, lambda: any(span.name == "GET /v1/clusters" for span in receiver.spans))
    assert set(receiver.paths) == {"/v1/traces"}
    assert not any(span.name.endswith(("/readyz", "/livez", "/metrics")) for span in receiver.spans)
    # Statements outside a request or a step, such as the polls of all processes, are not recorded.
    assert all(span.parent for span in receiver.spans if "db.query.text" in span.attributes)
    assert not any("token" in name or "body" in name for span in receiver.spans for name in span.attributes)
