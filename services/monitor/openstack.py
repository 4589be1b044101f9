"""Takes OpenStack's notifications: those of Nova cause looks at servers, those of Heat and Neutron become events.

Rule: only what is about a cluster of ours has an effect, and each notification at most one (an event's ID is derived
from the notification's). What follows is stored before a notification is acknowledged; the looks at Nova that follow at
once (`services.monitor.quick_looks`) repeat what the stored request for a look guarantees.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import select, text

from services.monitor.networks import DeletedResource, deleted_resource
from services.monitor.quick_looks import QuickLooks
from services.monitor.server_changes import ServerChange, server_change, tell_of_changes
from services.monitor.servers import ServerHint, server_hint
from shared.bus.oslo import Notification, clean
from shared.db.away import is_away
from shared.db.engine import Database
from shared.db.models import Cluster, Node
from shared.domain.errors import TemporaryError
from shared.domain.states import NodeState
from shared.events.catalog import ResourceDeleted, StackChanged
from shared.events.log import emit_once
from shared.operations.attention import ask_for_look, ask_for_measure
from shared.operations.locks import lock_cluster

_STACK = re.compile(r"^jeroboam-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-")
_ENDS = re.compile(r"^orchestration\.stack\.\w+\.(end|error)\Z")

# What an operation deletes is told of shortly after, perhaps when the operation has ended.
_OPERATED = text("""
SELECT EXISTS (SELECT 1 FROM operations WHERE cluster_id = :cluster
    AND (finished_at IS NULL OR finished_at > now() - interval '1 minute'))
""")
_UNDER_WAY = text("SELECT project_id FROM operations WHERE finished_at IS NULL AND project_id = ANY(:projects)")


class OpenStackEvents:
    """Args:
    database: holds the clusters and the event log.
    quick: looks at servers at once.
    """

    def __init__(self, database: Database, quick: QuickLooks | None = None) -> None:
        self._database = database
        self._quick = quick

    async def __call__(self, notifications: Sequence[Notification]) -> None:
        """Store what follows from some notifications.

        Raises:
            TemporaryError: the database is away.
        """
        try:
            hints = {each.id: hint for each in notifications if (hint := server_hint(each)) is not None}
            told = [
                change for each in notifications if each.id in hints and (change := server_change(each)) is not None
            ]
            await self._servers([*hints.values()], told)
            for each in notifications:
                if _ENDS.match(each.event_type):
                    await self._stack(each)
                elif (resource := deleted_resource(each)) is not None:
                    await self._deleted(each, resource)
        except Exception as error:
            if is_away(error):
                raise TemporaryError(str(error).partition("\n")[0] or type(error).__name__) from error
            raise

    async def _servers(self, hints: Sequence[ServerHint], changes: Sequence[ServerChange]) -> None:
        """Ask for looks at the clusters whose servers these are, and tell of the changes.

        One query, whoever else's servers are among them.
        """
        if not hints:
            return
        by_server = {hint.server_id: hint for hint in hints} | {hint.server_id: hint for hint in hints if hint.fatal}
        async with self._database.transaction() as session:
            found = await session.execute(
                select(Node.server_id, Node.cluster_id, Cluster.project_id)
                .join(Cluster, Cluster.uuid == Node.cluster_id)
                .where(Node.server_id.in_(by_server), Node.state != NodeState.REMOVING)
            )
            known = {row.server_id: (row.project_id, row.cluster_id) for row in found}
            unbuilt = {hint.project_id for hint in hints if hint.unbuilt and hint.server_id not in known}
            building: set[str] = set()
            if unbuilt:
                building = set(await session.scalars(_UNDER_WAY, {"projects": sorted(unbuilt)}))
        if self._quick is not None:
            for server_id, hint in by_server.items():
                if server_id in known:
                    self._quick.look(*known[server_id], server_id, fatal=hint.fatal)
                elif hint.unbuilt and hint.project_id in building:
                    self._quick.look_at_unbuilt(hint.project_id, server_id)
        # The looks do not wait for this, which waits for the locks of clusters.
        for cluster_id in sorted({cluster_id for _, cluster_id in known.values()}):
            async with self._database.transaction() as session:
                cluster = await lock_cluster(session, cluster_id)
                if cluster is not None:
                    await tell_of_changes(session, cluster, [each for each in changes if each.server_id in known])
                    await ask_for_look(session, cluster_id)

    async def _stack(self, notification: Notification) -> None:
        payload = notification.payload
        name = clean(payload.get("stack_name"), 255)
        stack = _STACK.match(name)
        if stack is None:
            return
        data = StackChanged(
            stack_id=clean(payload.get("stack_identity"), 255).rsplit("/", 1)[-1],
            stack_name=name,
            status=clean(payload.get("state"), 64),
            reason=clean(payload.get("state_reason"), 2000),
        )
        async with self._database.transaction() as session:
            cluster = await lock_cluster(session, stack[1])
            if cluster is not None:
                await emit_once(session, "stack.changed.v1", data, cause=notification.id, cluster=cluster)

    async def _deleted(self, notification: Notification, resource: DeletedResource) -> None:
        """Tell of a resource that was deleted while no operation of ours could have done it."""
        async with self._database.transaction() as session:
            node = None
            if resource.server_id:
                node = await session.scalar(
                    select(Node).where(Node.server_id == resource.server_id, Node.state != NodeState.REMOVING)
                )
            cluster_id = resource.cluster_id or (node.cluster_id if node else None)
            cluster = await lock_cluster(session, cluster_id) if cluster_id else None
            if cluster is None or await session.scalar(_OPERATED, {"cluster": cluster_id}):
                return
            data = ResourceDeleted(
                kind=resource.kind, id=resource.id, name=resource.name, node=node.name if node else None
            )
            if await emit_once(session, "resource.deleted.v1", data, cause=notification.id, cluster=cluster):
                await ask_for_look(session, cluster.uuid)
                await ask_for_measure(session, cluster.uuid)
