"""The kinds of operations, and everything the rest of the code asks of a kind.

Rule: this is the only table of kinds. Statuses, names of events, queues, deadlines and what a request meets when it
finds an operation live are read from it, so that a new kind is one entry here, its plan, and its request.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Self


class Verb(StrEnum):
    """The first half of Magnum's status words."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class Service(StrEnum):
    """The services that run operations."""

    PROVISIONER = "provisioner"
    SCALER = "scaler"
    UPGRADER = "upgrader"


class WhenLive(Enum):
    """What becomes of a request for an operation while another one of the cluster is live."""

    REFUSED = "refused"
    # A wish for numbers of nodes: joins one of such a kind; behind another it begins when that has ended well.
    WAITS = "waits"
    # Begins when that one, and all that were accepted before, have ended well; behind one of these two only.
    QUEUES = "queues"
    CANCELS = "cancels"  # stops the other one and begins when that has ended, however it ended


class TimeLimit(Enum):
    """Where an operation's deadline comes from."""

    CREATE = "create"  # the cluster's own `create_timeout`, or the setting of that name
    DELETE = "delete"  # the setting `delete_timeout_minutes`
    # Its length is the number of nodes: each of its commands has a limit, and it ends at the first that fails.
    NONE = "none"


@dataclass(frozen=True, slots=True)
class KindTraits:
    """What is particular about one kind.

    Args:
        verb: of the cluster's status while and after it runs.
        event: the first two words of its events' names, e.g. `cluster.resize`.
        service: whose plans it has.
        nodegroup_verb: of the statuses of the nodegroups concerned, where that is not the cluster's.
        when_live: what becomes of a request for it while another operation is live.
        time_limit: where its deadline comes from.
        mends_create: it can finish what a failed create has left undone.
        removes_cluster: its good end takes the cluster's row away. Such an operation cannot be cancelled.
    """

    verb: Verb
    event: str
    service: Service
    nodegroup_verb: Verb | None = None
    when_live: WhenLive = WhenLive.REFUSED
    time_limit: TimeLimit = TimeLimit.CREATE
    mends_create: bool = False
    removes_cluster: bool = False


# Without a docstring, which would become part of the JSON Schemas of events.
class OperationKind(StrEnum):
    traits: KindTraits

    def __new__(cls, value: str, traits: KindTraits | None = None) -> Self:
        # The default is for type checkers, which take `OperationKind("create")` for a call of this.
        assert traits is not None
        member = str.__new__(cls, value)
        member._value_ = value
        member.traits = traits
        return member

    CREATE = "create", KindTraits(Verb.CREATE, "cluster.create", Service.PROVISIONER)
    DELETE = (
        "delete",
        KindTraits(
            Verb.DELETE,
            "cluster.delete",
            Service.PROVISIONER,
            when_live=WhenLive.CANCELS,
            time_limit=TimeLimit.DELETE,
            removes_cluster=True,
        ),
    )
    RESIZE = (
        "resize",
        KindTraits(Verb.UPDATE, "cluster.resize", Service.SCALER, when_live=WhenLive.WAITS, mends_create=True),
    )
    UPGRADE = "upgrade", KindTraits(Verb.UPDATE, "cluster.upgrade", Service.UPGRADER, time_limit=TimeLimit.NONE)
    ROTATE_CA = "rotate_ca", KindTraits(Verb.UPDATE, "cluster.rotate_ca", Service.UPGRADER, time_limit=TimeLimit.NONE)
    ROTATE_CREDENTIALS = (
        "rotate_credentials",
        KindTraits(Verb.UPDATE, "cluster.rotate_credentials", Service.UPGRADER),
    )
    NODEGROUP_CREATE = (
        "nodegroup_create",
        KindTraits(
            Verb.UPDATE,
            "nodegroup.create",
            Service.SCALER,
            nodegroup_verb=Verb.CREATE,
            when_live=WhenLive.QUEUES,
            mends_create=True,
        ),
    )
    NODEGROUP_UPDATE = (
        "nodegroup_update",
        KindTraits(Verb.UPDATE, "nodegroup.update", Service.SCALER, when_live=WhenLive.QUEUES, mends_create=True),
    )
    NODEGROUP_DELETE = (
        "nodegroup_delete",
        KindTraits(
            Verb.UPDATE,
            "nodegroup.delete",
            Service.SCALER,
            nodegroup_verb=Verb.DELETE,
            when_live=WhenLive.QUEUES,
            mends_create=True,
        ),
    )


def operation_event(kind: OperationKind | str, outcome: str) -> str:
    """The name of an operation's event, e.g. `cluster.create.completed.v1` or `nodegroup.delete.failed.v1`."""
    return f"{OperationKind(kind).traits.event}.{outcome}.v1"


def kinds_of(service: Service) -> tuple[OperationKind, ...]:
    """The kinds a service has plans for."""
    return tuple(kind for kind in OperationKind if kind.traits.service is service)
