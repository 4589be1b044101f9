"""Passes on what Nova's notifications tell about the servers of nodes, in Nova's words and before Nova is asked.

Rule: an event says that Nova told of a change. It changes nothing about the node, whose state follows from what Nova
answers. Only versioned notifications are passed on: with both formats, Nova tells of everything twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.monitor.servers import DATA, inner_data, new_state, server_id_of
from shared.bus.oslo import Notification, clean
from shared.db.models import Cluster, Node, Nodegroup
from shared.domain.states import DELETING, NodeState
from shared.events.catalog import NodeServerChanged
from shared.events.log import emit_once

# `shutdown` is a part of other actions; `create` is about no server that a node has.
_ACTION = re.compile(r"^instance\.(?!shutdown\.|create\.)(\w+(?:\.\w+)?)\.(end|error)\Z")
_UPDATE = "instance.update"
_IN_ERROR = "error"


@dataclass(frozen=True, slots=True)
class ServerChange:
    """Args:
    notification_id: of the notification that told of it.
    server_id: the server that changed.
    change: Nova's action, or `update` for a server that is in error without one.
    failed: whether the action failed.
    state: the server's state afterwards, in Nova's words.
    reason: why it failed, "" if that is not told.
    """

    notification_id: str
    server_id: str
    change: str
    failed: bool = False
    state: str = ""
    reason: str = ""


def server_change(notification: Notification) -> ServerChange | None:
    """What a notification tells of a change of a server; None for anything else. Pure."""
    data = notification.payload.get(DATA)
    if not isinstance(data, Mapping) or not (server_id := server_id_of(data)):
        return None
    state = clean(new_state(data), 64)
    if notification.event_type == _UPDATE:
        if state != _IN_ERROR or _old_state(data) == state:
            return None
        return ServerChange(notification.id, server_id, "update", failed=True, state=state)
    action = _ACTION.match(notification.event_type)
    if action is None:
        return None
    reason = clean(inner_data(data.get("fault")).get("exception_message"), 2000)
    return ServerChange(notification.id, server_id, action[1], action[2] == "error", state, reason)


async def tell_of_changes(session: AsyncSession, cluster: Cluster, changes: Sequence[ServerChange]) -> None:
    """Emit one event for each change of a server of the cluster, which the caller has locked.

    A cluster that is being deleted, and nodes that are being removed, lose their servers; that is not told.
    """
    if not changes or cluster.status == DELETING:
        return
    found = await session.execute(
        select(Node, Nodegroup.name)
        .join(Nodegroup, Nodegroup.uuid == Node.nodegroup_id)
        .where(
            Node.cluster_id == cluster.uuid,
            Node.server_id.in_({change.server_id for change in changes}),
            Node.state != NodeState.REMOVING,
        )
    )
    nodes = {node.server_id: (node, nodegroup) for node, nodegroup in found}
    for change in changes:
        if change.server_id not in nodes:
            continue
        node, nodegroup = nodes[change.server_id]
        data = NodeServerChanged(
            node_id=node.uuid,
            name=node.name,
            nodegroup=nodegroup,
            role=node.role,
            server_id=change.server_id,
            change=change.change,
            failed=change.failed,
            server_state=change.state or None,
            reason=change.reason or None,
        )
        await emit_once(session, "node.server.changed.v1", data, cause=change.notification_id, cluster=cluster)


def _old_state(data: Mapping[str, Any]) -> str:
    return str(inner_data(data.get("state_update")).get("old_state", "")).lower()
