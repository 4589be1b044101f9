"""Every event Jeroboam emits: its type, its data, and what it means.

Rule: this catalog is the source; AsyncAPI, JSON Schemas and the documentation are generated from it. Within a version
fields are only added; a new meaning is a new version beside the old one. A golden file per type is a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.kinds import OperationKind, operation_event
from shared.domain.states import NodeState

PREFIX = "io.jeroboam."


class EventData(BaseModel):
    """Base of all event data: frozen, and tolerant of fields a newer version adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OperationRequested(EventData):
    cluster_name: str
    kind: OperationKind
    params: dict[str, Any] = Field(default_factory=dict, description="what was asked for")
    request_id: str | None = None


class OperationStarted(EventData):
    kind: OperationKind


class OperationProgressed(EventData):
    kind: OperationKind
    step: str = Field(description="the step at work, by its name in the plan")
    done: int = Field(ge=0, description="nodes (or things, as the step has it) done")
    total: int = Field(ge=0)
    reason: str | None = Field(default=None, description="what the step waits for")


class OperationCompleted(EventData):
    kind: OperationKind
    status: str = Field(description="the cluster's status now, e.g. CREATE_COMPLETE")
    seconds: float = Field(description="from acceptance to the end")


class OperationFailed(EventData):
    kind: OperationKind
    status: str
    step: str | None
    reason: str = Field(description="the true reason, in the words of what refused")
    faults: dict[str, str] = Field(default_factory=dict, description="node or nodegroup name -> its own reason")


class OperationCancelled(EventData):
    kind: OperationKind
    reason: str


class NodeChanged(EventData):
    node_id: str
    name: str
    nodegroup: str
    role: str
    state: NodeState
    reason: str | None = None
    addresses: list[str] = Field(default_factory=list)


class ClusterImported(EventData):
    cluster_name: str
    coe: str
    status: str = Field(description="as Magnum had it, e.g. CREATE_COMPLETE")
    master_count: int = Field(ge=0)
    node_count: int = Field(ge=0)
    stack_id: str | None = Field(default=None, description="the Heat stack that Magnum made for it")
    authority: bool = Field(description="whether its certificate authority came along")


class StackChanged(EventData):
    stack_id: str
    stack_name: str
    status: str
    reason: str = ""


class QuotaExceeded(EventData):
    resource: str
    limit: int
    wanted: int


@dataclass(frozen=True, slots=True)
class EventType:
    """One entry of the catalog. `name` is the routing key; with PREFIX before it, the CloudEvents type.

    A mandatory event is a request: at least one queue must take it, or it stays unpublished. A fact that no queue is
    bound to is published all the same.
    """

    name: str
    data: type[EventData]
    summary: str
    mandatory: bool = False

    @property
    def cloudevents_type(self) -> str:
        return PREFIX + self.name


def _operation_types() -> list[EventType]:
    outcomes: list[tuple[str, type[EventData], str]] = [
        ("requested", OperationRequested, "was accepted and stored"),
        ("started", OperationStarted, "was begun by a service"),
        ("progressed", OperationProgressed, "came further (at most once a second)"),
        ("completed", OperationCompleted, "ended well"),
        ("failed", OperationFailed, "ended with a reason; it can be retried"),
        ("cancelled", OperationCancelled, "was stopped on request"),
    ]
    return [
        EventType(
            operation_event(kind, outcome), data, f"{_subject(kind)} {meaning}.", mandatory=outcome == "requested"
        )
        for kind in OperationKind
        for outcome, data, meaning in outcomes
    ]


def _subject(kind: OperationKind) -> str:
    family, _, verb = kind.traits.event.partition(".")
    return f"A {family}'s {verb}"


_NODE_MEANINGS = {
    "announced": "A node's agent spoke for the first time.",
    "joined": "A node became part of the working cluster.",
    "failed": "A node could not be built or could not join.",
    "drained": "A node that is to go has been emptied.",
    "removed": "A node is gone.",
}

CATALOG: dict[str, EventType] = {
    entry.name: entry
    for entry in [
        *_operation_types(),
        *(EventType(f"node.{word}.v1", NodeChanged, meaning) for word, meaning in _NODE_MEANINGS.items()),
        EventType("cluster.imported.v1", ClusterImported, "A cluster was taken over from Magnum."),
        EventType("stack.changed.v1", StackChanged, "Heat says a stack changed its status."),
        EventType("quota.exceeded.v1", QuotaExceeded, "A request was refused for a quota."),
    ]
}
