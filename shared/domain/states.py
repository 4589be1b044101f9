"""The states of operations, clusters and nodes, and the one table of moves between them.

Rule: a move that is not in a table raises; nothing moves a state except through `check_move`. The tables serve the
code, the property tests, the database's CHECKs and the documentation alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from shared.domain.errors import JeroboamError


class InvalidTransition(JeroboamError):
    """A move that the table does not have: a bug, never a user's mistake."""


class OperationState(StrEnum):
    QUEUED = "queued"  # accepted; no service has begun it
    RUNNING = "running"  # leased by a runner that executes a step now
    WAITING = "waiting"  # between steps or attempts; `next_attempt_at` says until when
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # may be queued again by a retry
    CANCELLED = "cancelled"


class OperationKind(StrEnum):
    CREATE = "create"
    DELETE = "delete"
    RESIZE = "resize"
    UPGRADE = "upgrade"
    UPDATE = "update"
    ROTATE_CA = "rotate_ca"
    ROTATE_CREDENTIALS = "rotate_credentials"
    NODEGROUP_CREATE = "nodegroup_create"
    NODEGROUP_UPDATE = "nodegroup_update"
    NODEGROUP_DELETE = "nodegroup_delete"


LIVE = frozenset({OperationState.QUEUED, OperationState.RUNNING, OperationState.WAITING})
FINAL = frozenset(OperationState) - LIVE

OPERATION_MOVES: Mapping[OperationState, frozenset[OperationState]] = {
    OperationState.QUEUED: frozenset({OperationState.RUNNING, OperationState.CANCELLED, OperationState.FAILED}),
    OperationState.RUNNING: frozenset(
        {
            OperationState.RUNNING,  # taken over after its lease ran out
            OperationState.WAITING,
            OperationState.SUCCEEDED,
            OperationState.FAILED,
            OperationState.CANCELLED,
        }
    ),
    OperationState.WAITING: frozenset({OperationState.RUNNING, OperationState.CANCELLED, OperationState.FAILED}),
    OperationState.FAILED: frozenset({OperationState.QUEUED}),
    OperationState.CANCELLED: frozenset(),
    OperationState.SUCCEEDED: frozenset(),
}


class Verb(StrEnum):
    """The first half of Magnum's status words."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class Outcome(StrEnum):
    """The second half of Magnum's status words."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


VERB_OF_KIND: Mapping[OperationKind, Verb] = {
    OperationKind.CREATE: Verb.CREATE,
    OperationKind.DELETE: Verb.DELETE,
    OperationKind.RESIZE: Verb.UPDATE,
    OperationKind.UPGRADE: Verb.UPDATE,
    OperationKind.UPDATE: Verb.UPDATE,
    OperationKind.ROTATE_CA: Verb.UPDATE,
    OperationKind.ROTATE_CREDENTIALS: Verb.UPDATE,
    OperationKind.NODEGROUP_CREATE: Verb.UPDATE,
    OperationKind.NODEGROUP_UPDATE: Verb.UPDATE,
    OperationKind.NODEGROUP_DELETE: Verb.UPDATE,
}

# What the nodegroups concerned show while their cluster shows the verb above; the others show the same as it.
_NODEGROUP_VERB_OF_KIND: Mapping[OperationKind, Verb] = {
    OperationKind.NODEGROUP_CREATE: Verb.CREATE,
    OperationKind.NODEGROUP_DELETE: Verb.DELETE,
}

CLUSTER_STATUSES = tuple(f"{verb}_{outcome}" for verb in Verb for outcome in Outcome)


def cluster_status(kind: OperationKind, outcome: Outcome) -> str:
    """Magnum's status for an operation of `kind` that stands at `outcome`, e.g. `UPDATE_FAILED`."""
    return f"{VERB_OF_KIND[kind]}_{outcome}"


def nodegroup_status(kind: OperationKind, outcome: Outcome) -> str:
    """The status of a nodegroup that an operation of `kind` concerns, e.g. `CREATE_IN_PROGRESS`."""
    return f"{_NODEGROUP_VERB_OF_KIND.get(kind, VERB_OF_KIND[kind])}_{outcome}"


class NodeState(StrEnum):
    PLANNED = "planned"  # a row; nothing in the cloud yet
    CREATING = "creating"  # its shard has been sent to Heat
    ANNOUNCED = "announced"  # its agent has spoken
    JOINED = "joined"  # part of the working cluster
    FAILED = "failed"  # Heat, Nova or the agent said why
    REMOVING = "removing"


NODE_MOVES: Mapping[NodeState, frozenset[NodeState]] = {
    NodeState.PLANNED: frozenset({NodeState.CREATING, NodeState.ANNOUNCED, NodeState.FAILED, NodeState.REMOVING}),
    # An agent may speak before Heat says its server is complete, so every earlier state may be skipped.
    NodeState.CREATING: frozenset({NodeState.ANNOUNCED, NodeState.JOINED, NodeState.FAILED, NodeState.REMOVING}),
    NodeState.ANNOUNCED: frozenset({NodeState.JOINED, NodeState.FAILED, NodeState.REMOVING}),
    NodeState.JOINED: frozenset({NodeState.FAILED, NodeState.REMOVING}),
    # A failed node may recover: its agent tries again, or a retry rebuilds its shard.
    NodeState.FAILED: frozenset(
        {NodeState.PLANNED, NodeState.CREATING, NodeState.ANNOUNCED, NodeState.JOINED, NodeState.REMOVING}
    ),
    NodeState.REMOVING: frozenset(),
}


def check_operation_move(old: OperationState, new: OperationState) -> None:
    """Raise InvalidTransition unless the table allows `old` -> `new`."""
    if new not in OPERATION_MOVES[old]:
        raise InvalidTransition(f"operation cannot go from {old} to {new}")


def check_node_move(old: NodeState, new: NodeState) -> None:
    """Raise InvalidTransition unless the table allows `old` -> `new`."""
    if new not in NODE_MOVES[old]:
        raise InvalidTransition(f"node cannot go from {old} to {new}")
