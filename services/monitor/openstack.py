"""Takes OpenStack's notifications: when Heat reports that a stack changed, `stack.changed` is emitted; those of Nova
cause a look at the cluster's servers.

Rule: only notifications about a cluster of ours become events, once per notification (the event's id is derived from
the notification's). The event makes the cluster's waiting operation due immediately instead of at its next poll.
"""

from __future__ import annotations

import re
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select

from services.monitor.servers import ServerHints
from shared.bus.notifications import Notification
from shared.db.engine import Database
from shared.db.models import Event
from shared.events.catalog import StackChanged
from shared.events.log import emit
from shared.operations.locks import lock_cluster

_STACK = re.compile(r"^jeroboam-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-")
_ENDS = re.compile(r"^orchestration\.stack\.\w+\.(end|error)\Z")


class OpenStackEvents:
    """Args:
    database: holds the clusters and the event log.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._servers = ServerHints(database)

    async def __call__(self, notification: Notification) -> None:
        if await self._servers(notification):
            return
        payload = notification.payload
        name = str(payload.get("stack_name", ""))
        stack = _STACK.match(name)
        if stack is None or not _ENDS.match(notification.event_type):
            return
        event_id = str(uuid5(NAMESPACE_OID, f"openstack notification {notification.id}"))
        async with self._database.transaction() as session:
            cluster = await lock_cluster(session, stack[1])
            # The row is locked, so no other process stores the same notification now.
            known = await session.scalar(select(Event.seq).where(Event.id == event_id))
            if cluster is None or known is not None:
                return
            await emit(
                session,
                "stack.changed.v1",
                StackChanged(
                    stack_id=str(payload.get("stack_identity", "")).rsplit("/", 1)[-1],
                    stack_name=name,
                    status=str(payload.get("state", "")),
                    reason=str(payload.get("state_reason") or "")[:2000],
                ),
                project_id=cluster.project_id,
                cluster=cluster,
                event_id=event_id,
            )
