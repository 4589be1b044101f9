"""An example of the data of each event type, as `GET /v1/event-types` and the AsyncAPI document show it.

Rule: examples are instances of the data classes, so an example that does not fit its class cannot exist. Those of
operations are completed with the kind of the type.
"""

from __future__ import annotations

from typing import Any

from shared.domain.kinds import OperationKind, operation_event
from shared.domain.states import NodeState, Outcome, cluster_status
from shared.events import catalog
from shared.events.catalog import EventData, EventType

_CREATE = OperationKind.CREATE
_NODE = {
    "node_id": "0190a5d2-7c3e-7b6a-9d0e-3f1b5c7d9e01",
    "name": "demo-default-worker-0",
    "nodegroup": "default-worker",
    "role": "worker",
}
_WEBHOOK = {"webhook_id": "0190a5d2-7c3e-7b6a-9d0e-3f1b5c7d9e02", "name": "deployments"}
_FAILING_SINCE = "2026-01-31T12:00:00+00:00"

_EXAMPLES: tuple[EventData, ...] = (
    catalog.OperationRequested(
        cluster_name="demo",
        kind=_CREATE,
        params={"node_count": 3},
        request_id="req-7f3c1f0e-2a51-4a3e-9c47-5d6f1b2a3c4d",
    ),
    catalog.OperationStarted(kind=_CREATE),
    catalog.OperationProgressed(
        kind=_CREATE, step="wait_for_nodes", done=2, total=4, reason="2 of 4 nodes have joined"
    ),
    catalog.OperationCompleted(kind=_CREATE, status="CREATE_COMPLETE", seconds=187.4),
    catalog.OperationFailed(
        kind=_CREATE,
        status="CREATE_FAILED",
        step="create_node_stacks",
        reason="No valid host was found.",
        faults={"demo-default-worker-0": "No valid host was found."},
    ),
    catalog.OperationCancelled(kind=_CREATE, reason="Cancelled on request."),
    catalog.NodeChanged.model_validate(_NODE | {"state": NodeState.JOINED, "addresses": ["10.0.0.17"]}),
    catalog.NodeServerChanged.model_validate(
        _NODE
        | {
            "server_id": "9c0e6a4f-3b1d-4d8c-8f57-2b9d1e0c7a66",
            "change": "rebuild",
            "failed": False,
            "server_state": "active",
        }
    ),
    catalog.ClusterHealthChanged(
        status="UNHEALTHY", old_status="HEALTHY", reasons={"demo-default-worker-0.Ready": "False"}
    ),
    catalog.ClusterImported(
        cluster_name="demo",
        coe="kubernetes",
        status="CREATE_COMPLETE",
        master_count=1,
        node_count=3,
        stack_id="3d9c1f62-93a4-4f0e-8f0a-5d4d3a5b7c10",
        authority=True,
    ),
    catalog.StackChanged(
        stack_id="3d9c1f62-93a4-4f0e-8f0a-5d4d3a5b7c10",
        stack_name="demo-0190a5d2-base",
        status="CREATE_COMPLETE",
        reason="Stack CREATE completed successfully",
    ),
    catalog.OrphanFound(
        kind="network",
        id="7f1d6a53-4a77-4d0a-9d3b-0b3f3c1b2a11",
        name="jeroboam-0190a5d2-7c3e-7b6a-9d0e-3f1b5c7d9e01-net",
        cluster_id="0190a5d2-7c3e-7b6a-9d0e-3f1b5c7d9e01",
    ),
    catalog.ResourceDeleted(
        kind="port",
        id="5b2f7a6e-0d0c-4f0c-8a55-1b6f5f1f6c11",
        name="demo-default-worker-0",
        node="demo-default-worker-0",
    ),
    catalog.QuotaExceeded(resource="Cluster", limit=20, wanted=21),
    catalog.WebhookDisabled.model_validate(
        _WEBHOOK | {"reason": "no success for 120 hours", "failing_since": _FAILING_SINCE}
    ),
    catalog.WebhookExhausted.model_validate(
        _WEBHOOK
        | {
            "event_id": "0190a5d2-7c3e-7b6a-9d0e-3f1b5c7d9e03",
            "event_type": "cluster.create.completed.v1",
            "attempts": 10,
            "reason": "the receiver answered 500",
        }
    ),
    catalog.WebhookRecovered.model_validate(_WEBHOOK | {"failing_since": _FAILING_SINCE}),
    catalog.WebhookTested.model_validate(_WEBHOOK),
    catalog.RequestAudited(
        request_id="req-7f3c1f0e-2a51-4a3e-9c47-5d6f1b2a3c4d",
        method="DELETE",
        route="/v1/clusters/{cluster_id}",
        path="/v1/clusters/demo",
        status=204,
        user_id="5f1d9b6c3a7e4c0fb2d8a9e7c6b5a4d3",
        user_name="demo",
        project_id="9d8f0c2b4e6a4b0c8d7e6f5a4b3c2d1e",
        roles=["member"],
        address="203.0.113.7",
        agent="python-openstackclient",
    ),
)
_BY_CLASS = {type(example): example for example in _EXAMPLES}
_OUTCOMES = {"completed": Outcome.COMPLETE, "failed": Outcome.FAILED}
_KINDS = {operation_event(kind, "started").removesuffix("started.v1"): kind for kind in OperationKind}
_STATES = {
    "announced": NodeState.ANNOUNCED,
    "joined": NodeState.JOINED,
    "failed": NodeState.FAILED,
    "impersonated": NodeState.CREATING,
    "drained": NodeState.REMOVING,
    "removed": NodeState.REMOVING,
}


def example_of(entry: EventType) -> dict[str, Any]:
    """Example data of a type, as JSON."""
    found = _BY_CLASS[entry.data].model_dump(mode="json")
    family, outcome, _version = entry.name.rsplit(".", 2)
    kind = _KINDS.get(f"{family}.")
    if kind is not None and "kind" in found:
        found["kind"] = kind.value
        if "status" in found:
            found["status"] = cluster_status(kind, _OUTCOMES[outcome])
    if entry.data is catalog.NodeChanged:
        found["state"] = _STATES[outcome].value
    if entry.name == "request.rejected.v1":
        found["status"] = 403
    return found
