"""Which of Nova's notifications say something about a server that its node has to learn. Pure.

Rule: a notification is a hint. What it says does not change a node; Nova is asked. Payloads grow, so only known keys
are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.bus.oslo import Notification

DATA = "nova_object.data"
# `compute.` is the unversioned form. `exists` and `create` are not about servers that nodes have.
_CHANGED = re.compile(
    r"^(?:compute\.)?instance\.(?:"
    r"(?:delete|soft_delete|force_delete|restore|shutdown|power_off|power_on|pause|unpause|suspend|resume|rebuild|evacuate"
    r"|finish_resize|resize_finish|resize\.confirm|resize_confirm|resize\.revert|resize_revert|shelve|shelve_offload"
    r"|unshelve|reboot|rescue|unrescue|live_migration_post|live_migration_rollback)\.(?:end|error)"
    r"|\w+(?:\.\w+)?\.error)\Z"
)
_UPDATED = re.compile(r"^(?:compute\.)?instance\.update\Z")
# The conductor found no host, for a build or for a move.
_HOSTLESS = re.compile(r"^compute_task\.\w+\.error\Z")
# What fails a server before it is one of a node's; Nova may try another host, which a look finds out.
_UNBUILT = re.compile(
    r"^(?:compute_task\.build_instances\.error|(?:compute\.)?instance\.create\.error|(?:compute\.)?instance\.update)\Z"
)
# States in an `update`, which Nova sends for every change of a task.
_TOLD_STATES = frozenset({"error", "deleted", "soft-delete", "stopped", "paused", "suspended"})
# After these, the node of the server is lost or has a new machine: if Nova does not show it yet, it will.
_FATAL = re.compile(r"\.(?:delete|soft_delete|force_delete|rebuild)\.end\Z|\.error\Z")


@dataclass(frozen=True, slots=True)
class ServerHint:
    """A server has changed.

    Args:
        server_id: whose.
        project_id: the server's project, "" if it is not told.
        unbuilt: whether it failed while it was built, so that no node may have it yet.
        fatal: whether its node fails if it is true.
    """

    server_id: str
    project_id: str = ""
    unbuilt: bool = False
    fatal: bool = False


def server_hint(notification: Notification) -> ServerHint | None:
    """What a notification says about a server, in a way that concerns its node; None for anything else."""
    event_type = notification.event_type
    data = notification.payload.get(DATA, notification.payload)
    if not isinstance(data, Mapping):
        return None
    in_error = False
    if _UPDATED.match(event_type):
        state = new_state(data)
        if state not in _TOLD_STATES:
            return None
        in_error = state == "error"
    elif not _CHANGED.match(event_type) and not _HOSTLESS.match(event_type):
        return None
    server_id = server_id_of(data)
    if not server_id:
        return None
    fatal = in_error or _FATAL.search(event_type) is not None
    unbuilt = fatal and _UNBUILT.match(event_type) is not None
    return ServerHint(server_id, _project(data), unbuilt, fatal)


def server_id_of(data: Mapping[str, Any]) -> str:
    """The ID of the server that a payload is about; "" if there is none."""
    return _id(data.get("uuid")) or _id(data.get("instance_id")) or _id(data.get("instance_uuid"))


def _id(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 64 and value.isprintable() else ""


def _project(data: Mapping[str, Any]) -> str:
    """The server's project, which the conductor's notifications have in the request."""
    request = inner_data(data.get("request_spec"))
    return _id(data.get("tenant_id")) or _id(request.get("project_id"))


def new_state(data: Mapping[str, Any]) -> str:
    """The state of the server: flat, or, in an update, in a nested object."""
    if "state_update" in data:
        return str(inner_data(data["state_update"]).get("state", "")).lower()
    return str(data.get("state", "")).lower()


def inner_data(value: object) -> Mapping[str, Any]:
    """The data of a nested object, or a plain one."""
    inner = value.get(DATA, value) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}
