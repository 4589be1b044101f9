"""What follows from Nova's answer about the server of a node. Pure.

Rule: a node is lost only if Nova says so of its own server: it does not exist, is deleted, or is in error. A server
that is stopped, paused or suspended is not lost. A later `launched_at` means that the machine was relaunched: after a
rebuild its disk is empty, after a resize or a migration it is not. Only a call of the agent tells the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from shared.cloud.types import Server
from shared.domain.states import Loss, NodeState

DELETED = "DELETED"
ERROR = "ERROR"
RUNNING = "ACTIVE"
_GONE = frozenset({DELETED, "SOFT_DELETED"})
# A machine in one of these is between two lives; what it becomes is seen at the next look.
UNDER_WAY = frozenset({"BUILD", "REBUILD", "RESIZE", "MIGRATING", "REVERT_RESIZE"})
# Statuses in which the machine of a joined node runs.
_RUNNING = frozenset({RUNNING, "VERIFY_RESIZE", "PASSWORD", "RESCUE", "MIGRATING"})

# Our clock and Nova's. A report this close to a launch may be one of the machine before.
CLOCKS_DIFFER = timedelta(seconds=60)


class Found(Enum):
    LOST = auto()
    RELAUNCHED = auto()
    BACK = auto()  # was lost; the same machine is there again


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a node that has a server."""

    server_id: str
    state: str
    loss: str | None = None
    launched_at: datetime | None = None
    announced_at: datetime | None = None
    last_report_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """`status` is Nova's, DELETED for a server that does not exist; `launched_at` is to be stored.

    `outcome` is None if nothing new follows for the node; `reason` belongs to an outcome.
    """

    status: str
    launched_at: datetime | None = None
    outcome: Found | None = None
    reason: str = ""


def judge(known: Known, server: Server | None) -> Finding:
    """Compare a node with its server, None if Nova does not know it."""
    if server is None:
        return _lost(known, DELETED, f"server {known.server_id} does not exist any more")
    if server.status in _GONE or server.deleting:
        return _lost(known, DELETED, f"server {server.id} was deleted")
    if server.status == ERROR:
        return _lost(known, ERROR, f"server {server.id} is in status ERROR: {server.fault or 'Nova gives no fault'}")
    if server.status in UNDER_WAY:
        return Finding(server.status, known.launched_at)
    since = known.launched_at or known.announced_at
    if since is None or server.launched_at is None:
        return Finding(server.status, known.launched_at)
    if server.launched_at > since and not _has_called_since(known, server.launched_at):
        reason = f"server {server.id} was rebuilt or moved at {_shown(server.launched_at)}"
        return Finding(server.status, server.launched_at, Found.RELAUNCHED, reason)
    if known.loss == Loss.MACHINE:
        reason = f"server {server.id} is in status {server.status} again"
        return Finding(server.status, server.launched_at, Found.BACK, reason)
    return Finding(server.status, server.launched_at)


def is_stopped(status: str | None) -> bool:
    """Whether the machine of a node does not run, though it exists. None: not looked at yet."""
    return status is not None and status not in _RUNNING


def _has_called_since(known: Known, moment: datetime) -> bool:
    """Whether the agent has used its credential on the new machine, so nothing was lost."""
    return known.last_report_at is not None and known.last_report_at > moment + CLOCKS_DIFFER


def _lost(known: Known, status: str, reason: str) -> Finding:
    """News if the node is not known to be lost."""
    if known.loss == Loss.MACHINE and known.state in (NodeState.FAILED, NodeState.REMOVING):
        return Finding(status, known.launched_at)
    return Finding(status, known.launched_at, Found.LOST, reason)


def _shown(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")
