"""Writes to the event log.

Rule: an event is stored in the transaction that makes the change; nothing here commits or publishes. The relay
publishes it afterwards. A cluster's events are numbered without gaps, because the number comes from the cluster's row,
which is locked.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import notify
from shared.db.models import Cluster, Event
from shared.domain.ids import new_id
from shared.events.catalog import CATALOG, EventData
from shared.telemetry.trace import trace_for

CHANNEL = "jeroboam_events"


async def emit(
    session: AsyncSession,
    name: str,
    data: EventData,
    *,
    project_id: str,
    cluster: Cluster | str | None = None,
    operation_id: str | None = None,
    subject: str | None = None,
    trace: str | None = None,
    event_id: str | None = None,
) -> str:
    """Store one event.

    Args:
        session: the caller's transaction.
        name: the type's name in the catalog, e.g. `cluster.create.requested.v1`.
        data: an instance of the type's data class.
        project_id: the project that may read it.
        cluster: the cluster it is about (row or uuid), which numbers it.
        operation_id: the operation it belongs to.
        subject: CloudEvents subject; `clusters/<uuid>` if a cluster is given.
        trace: W3C traceparent of what the event belongs to; by default, of the present work.
        event_id: an ID derived from the cause of the event; by default, a new ID.

    Returns:
        The event's ID.

    Raises:
        TypeError: the data is not an instance of the data class of `name`.
    """
    cluster_id = cluster.uuid if isinstance(cluster, Cluster) else cluster
    sequence = None
    if cluster_id is not None:
        sequence = await session.scalar(
            text("UPDATE clusters SET event_sequence = event_sequence + 1 WHERE uuid = :u RETURNING event_sequence"),
            {"u": cluster_id},
        )
    values = event_values(
        name,
        data,
        project_id=project_id,
        cluster_id=cluster_id,
        operation_id=operation_id,
        sequence=sequence,
        subject=subject,
        trace=trace,
        event_id=event_id,
    )
    session.add(Event(**values))
    await notify(session, CHANNEL)
    return str(values["id"])


async def emit_once(session: AsyncSession, name: str, data: EventData, *, cause: str, cluster: Cluster) -> bool:
    """Store an event about a cluster, unless the same notification from OpenStack has become one before.

    Args:
        cause: the ID of the notification.
        cluster: locked by the caller, so no other process stores the same event now.

    Returns:
        Whether it was stored.
    """
    event_id = str(uuid5(NAMESPACE_OID, f"openstack notification {cause}"))
    if await session.scalar(select(Event.seq).where(Event.id == event_id)) is not None:
        return False
    await emit(session, name, data, project_id=cluster.project_id, cluster=cluster, event_id=event_id)
    return True


def event_values(
    name: str,
    data: EventData,
    *,
    project_id: str,
    cluster_id: str | None,
    operation_id: str | None,
    sequence: int | None,
    subject: str | None = None,
    trace: str | None = None,
    event_id: str | None = None,
) -> dict[str, Any]:
    """The columns of an event; see `emit`.

    Args:
        sequence: its number among the cluster's events.

    Raises:
        TypeError: the data is not an instance of the data class of `name`.
    """
    entry = CATALOG[name]
    if type(data) is not entry.data:
        raise TypeError(f"{name} carries {entry.data.__name__}, not {type(data).__name__}")
    return {
        "id": event_id or new_id(),
        "type": name,
        "subject": subject or (f"clusters/{cluster_id}" if cluster_id else f"projects/{project_id}"),
        "project_id": project_id,
        "cluster_id": cluster_id,
        "operation_id": operation_id,
        "sequence": sequence,
        "data": data.model_dump(mode="json"),
        "trace": trace_for(trace),
    }
