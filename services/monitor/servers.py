"""Nova's notifications about servers: one about a node's server causes a look at its cluster.

Rule: a notification is a hint. What it says is not stored; Nova is asked. Notifications that our own operations cause
(the delete of a node that is being removed) are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from shared.bus.notifications import Notification
from shared.db.engine import Database
from shared.db.models import Node
from shared.domain.states import NodeState
from shared.operations.attention import ask_for_look

_DATA = "nova_object.data"
# `compute.` is the unversioned form. `exists` and `create` are not about servers that nodes have.
_CHANGED = re.compile(
    r"^(?:compute\.)?instance\.(?:"
    r"(?:delete|soft_delete|force_delete|restore|shutdown|power_off|power_on|pause|unpause|suspend|resume|rebuild|evacuate"
    r"|finish_resize|resize_finish|resize\.confirm|resize_confirm|resize\.revert|resize_revert|shelve|shelve_offload"
    r"|unshelve|reboot|rescue|unrescue|live_migration_post|live_migration_rollback)\.(?:end|error)"
    r"|\w+(?:\.\w+)?\.error)\Z"
)
_UPDATED = re.compile(r"^(?:compute\.)?instance\.update\Z")
# States in an `update`, which Nova sends for every change of a task.
_TOLD_STATES = frozenset({"error", "deleted", "soft-delete", "stopped", "paused", "suspended"})


class ServerHints:
    """Args: database: holds the nodes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, notification: Notification) -> bool:
        """Ask for a look; returns whether the notification is about a server."""
        server_id = changed_server(notification.event_type, notification.payload)
        if server_id is None:
            return False
        async with self._database.transaction() as session:
            cluster_id = await session.scalar(
                select(Node.cluster_id).where(Node.server_id == server_id, Node.state != NodeState.REMOVING)
            )
            if cluster_id is not None:
                await ask_for_look(session, cluster_id)
        return True


def changed_server(event_type: str, payload: Mapping[str, Any]) -> str | None:
    """The ID of the server that a notification says to have changed in a way that concerns its node."""
    data = payload.get(_DATA, payload)
    if not isinstance(data, Mapping):
        return None
    if _UPDATED.match(event_type):
        if _state(data) not in _TOLD_STATES:
            return None
    elif not _CHANGED.match(event_type):
        return None
    found = data.get("uuid") or data.get("instance_id")
    return found if isinstance(found, str) and len(found) <= 64 else None


def _state(data: Mapping[str, Any]) -> str:
    """The new state in an update: flat, or in a nested object."""
    update = data.get("state_update")
    if isinstance(update, Mapping):
        inner = update.get(_DATA)
        return str(inner.get("state", "")).lower() if isinstance(inner, Mapping) else ""
    return str(data.get("state", "")).lower()
