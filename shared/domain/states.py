"""The states of operations, clusters and nodes, and the allowed transitions between them.

Rule: every change of a state is checked against these tables; a transition that is not in them raises an exception. The
code, the property tests, the database's CHECKs and the documentation use the same tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from shared.domain.errors import JeroboamError
from shared.domain.kinds import OperationKind as OperationKind
from shared.domain.kinds import Verb


class InvalidTransition(JeroboamError):
    """A transition that is not in the table. This is always a bug."""


class OperationState(StrEnum):
    QUEUED = "queued"  # accepted; no service has started it
    RUNNING = "running"  # leased by a runner that is executing a step
    WAITING = "waiting"  # between steps or attempts, until `next_attempt_at`
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # can be queued again by a retry
    CANCELLED = "cancelled"


LIVE = frozenset({OperationState.QUEUED, OperationState.RUNNING, OperationState.WAITING})
FINAL = frozenset(OperationState) - LIVE

OPERATION_MOVES: Mapping[OperationState, frozenset[OperationState]] = {
    OperationState.QUEUED: frozenset({OperationState.RUNNING, OperationState.CANCELLED, OperationState.FAILED}),
    OperationState.RUNNING: frozenset(
        {
            OperationState.RUNNING,  # taken over after its lease expired
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
    """The second part of Magnum's statuses."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


CLUSTER_STATUSES = tuple(f"{verb}_{outcome}" for verb in Verb for outcome in Outcome)


def cluster_status(kind: OperationKind, outcome: Outcome) -> str:
    """Magnum's status for an operation of `kind` with `outcome`, e.g. `UPDATE_FAILED`."""
    return f"{kind.traits.verb}_{outcome}"


# The status of a cluster whose nodes, servers and health are no longer followed.
DELETING = cluster_status(OperationKind.DELETE, Outcome.IN_PROGRESS)


def nodegroup_status(kind: OperationKind, outcome: Outcome) -> str:
    """The status of a nodegroup that an operation of `kind` concerns, e.g. `CREATE_IN_PROGRESS`."""
    return f"{kind.traits.nodegroup_verb or kind.traits.verb}_{outcome}"


class NodeState(StrEnum):
    PLANNED = "planned"  # a row without resources in the cloud
    CREATING = "creating"  # its stack is being created or updated
    ANNOUNCED = "announced"  # its agent has made its first call
    JOINED = "joined"  # part of the cluster
    FAILED = "failed"  # `reason` is the error of Heat, Nova or the agent
    REMOVING = "removing"


NODE_MOVES: Mapping[NodeState, frozenset[NodeState]] = {
    NodeState.PLANNED: frozenset({NodeState.CREATING, NodeState.ANNOUNCED, NodeState.FAILED, NodeState.REMOVING}),
    # An agent can report before Heat reports its server as complete, so earlier states can be skipped.
    NodeState.CREATING: frozenset({NodeState.ANNOUNCED, NodeState.JOINED, NodeState.FAILED, NodeState.REMOVING}),
    NodeState.ANNOUNCED: frozenset({NodeState.JOINED, NodeState.FAILED, NodeState.REMOVING}),
    NodeState.JOINED: frozenset({NodeState.FAILED, NodeState.REMOVING}),
    # A failed node can recover: its agent retries, or a retry of the operation rebuilds it.
    NodeState.FAILED: frozenset(
        {NodeState.PLANNED, NodeState.CREATING, NodeState.ANNOUNCED, NodeState.JOINED, NodeState.REMOVING}
    ),
    NodeState.REMOVING: frozenset(),
}


class Loss(StrEnum):
    """Why a failed node cannot simply be asked to try again."""

    MACHINE = "machine"  # its server is gone or in error: the node is replaced by another one
    AGENT = "agent"  # its server was relaunched; it counts again when its agent has called


def check_operation_move(old: OperationState, new: OperationState) -> None:
    """Raise InvalidTransition unless the table allows `old` -> `new`."""
    if new not in OPERATION_MOVES[old]:
        raise InvalidTransition(f"invalid transition of an operation from {old} to {new}")


def check_node_move(old: NodeState, new: NodeState) -> None:
    """Raise InvalidTransition unless the table allows `old` -> `new`."""
    if new not in NODE_MOVES[old]:
        raise InvalidTransition(f"invalid transition of a node from {old} to {new}")
