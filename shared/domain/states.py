"""The states of operations, clusters and nodes, and the one table of moves between them.

Rule: a move that is not in a table raises; nothing moves a state except through `check_move`. The tables serve the
code, the property tests, the database's CHECKs and the documentation alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from shared.domain.errors import JeroboamError
from shared.domain.kinds import OperationKind as OperationKind
from shared.domain.kinds import Verb


class InvalidTransition(JeroboamError):
    """A move that the table does not have: a bug, never a user's mistake."""


class OperationState(StrEnum):
    QUEUED = "queued"  # accepted; no service has begun it
    RUNNING = "running"  # leased by a runner that executes a step now
    WAITING = "waiting"  # between steps or attempts; `next_attempt_at` says until when
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # may be queued again by a retry
    CANCELLED = "cancelled"


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


class Outcome(StrEnum):
    """The second half of Magnum's status words."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


CLUSTER_STATUSES = tuple(f"{verb}_{outcome}" for verb in Verb for outcome in Outcome)


def cluster_status(kind: OperationKind, outcome: Outcome) -> str:
    """Magnum's status for an operation of `kind` that is at `outcome`, e.g. `UPDATE_FAILED`."""
    return f"{kind.traits.verb}_{outcome}"


def nodegroup_status(kind: OperationKind, outcome: Outcome) -> str:
    """The status of a nodegroup that an operation of `kind` concerns, e.g. `CREATE_IN_PROGRESS`."""
    return f"{kind.traits.nodegroup_verb or kind.traits.verb}_{outcome}"


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
