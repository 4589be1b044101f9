"""Magnum's notifications about clusters: CADF events of the form that Magnum's conductor sends. Pure.

Rule: a listener that reads Magnum's reads these. Keys, including one that Magnum misspells, are Magnum's; so is the
choice of what is told: an operation's start (for those that Magnum's conductor starts), its success and its failure.
IDs are derived from the event's, so that a repetition is recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from shared.bus.oslo import ERROR, INFO
from shared.domain.kinds import OperationKind, Verb, operation_event
from shared.domain.states import Outcome, cluster_status

TYPE = "service/magnum/cluster"
_ACTIONS = {Verb.CREATE: "create", Verb.UPDATE: "update", Verb.DELETE: "delete"}
# Magnum tells of the start of these only.
_STARTS = (OperationKind.CREATE, OperationKind.DELETE, OperationKind.RESIZE, OperationKind.UPGRADE)
_SUCCESS, _FAILURE, _PENDING = "success", "failure", "pending"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an event is as a notification: Magnum's action, the outcome, and the operation's kind."""

    kind: OperationKind
    outcome: str

    @property
    def action(self) -> str:
        return _ACTIONS[self.kind.traits.verb]

    @property
    def event_type(self) -> str:
        return f"magnum.cluster.{self.action}"

    @property
    def level(self) -> str:
        return ERROR if self.outcome == _FAILURE else INFO

    @property
    def status(self) -> str:
        """The status of the cluster at that moment."""
        outcome = {_PENDING: Outcome.IN_PROGRESS, _SUCCESS: Outcome.COMPLETE, _FAILURE: Outcome.FAILED}[self.outcome]
        return cluster_status(self.kind, outcome)


MEANINGS: Mapping[str, Meaning] = {
    **{operation_event(kind, "started"): Meaning(kind, _PENDING) for kind in _STARTS},
    **{operation_event(kind, "completed"): Meaning(kind, _SUCCESS) for kind in OperationKind},
    **{operation_event(kind, "failed"): Meaning(kind, _FAILURE) for kind in OperationKind},
}


def payload(event: Mapping[str, Any], meaning: Meaning) -> dict[str, Any]:
    """The CADF event.

    Args:
        event: a row of `services.notifier.magnum_notices`: the event, its operation and its cluster as it is now. Of a
            cluster that is gone, only what the operation knows is told.
    """
    initiator = {"typeURI": "service/security/account/user", "id": _derived(event["id"], "initiator")}
    for key, value in (("user_id", event["user_id"]), ("project_id", event["project_id"])):
        if value:
            initiator[key] = value
    return {
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "eventType": "activity",
        "id": event["id"],
        "eventTime": event["time"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
        "action": meaning.action,
        "outcome": meaning.outcome,
        "observer": {"typeURI": TYPE, "id": _derived(TYPE, "observer")},
        "initiator": initiator,
        "target": {
            "typeURI": TYPE,
            "id": event["cluster_id"],
            "name": event["name"] or event["cluster_name"],
            "attachments": [{"typeURI": TYPE, "name": "cluster_data", "content": _content(event, meaning)}],
        },
    }


def _content(event: Mapping[str, Any], meaning: Meaning) -> dict[str, Any]:
    return {
        "status": meaning.status,
        "status_reason": event["data"].get("reason") if meaning.outcome == _FAILURE else None,
        "project_id": event["project_id"],
        "created_at": _time(event["created_at"]),
        "updated_at": _time(event["updated_at"]),
        "cluster_template_id": event["cluster_template_id"],
        "keypair": event["keypair"],
        "docker_volume_size:": event["docker_volume_size"],
        "labels": event["labels"],
        "master_flavor_id": event["master_flavor_id"],
        "flavor_id": event["flavor_id"],
        "stack_id": event["stack_id"],
        "health_status": event["health_status"],
        "create_timeout": event["create_timeout"],
        "api_address": event["api_address"],
        "discovery_url": event["discovery_url"],
        "node_addresses": event["node_addresses"],
        "master_addresses": event["master_addresses"],
        "node_count": _count(event, "node_count"),
        "master_count": _count(event, "master_count"),
    }


def _count(event: Mapping[str, Any], name: str) -> int | None:
    """A number of nodes, which a cluster that is gone does not have."""
    return event[name] or 0 if event["name"] is not None else None


def _time(moment: datetime | None) -> str | None:
    """A time as oslo.serialization writes it."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _derived(base: str, what: str) -> str:
    return str(uuid5(NAMESPACE_OID, f"{what} of {base}"))
