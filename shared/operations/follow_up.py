"""What was accepted while another operation was live, and begins when that one ends.

Rule: it begins in the transaction that ends the other, so nothing is between them. A delete always follows. A resize
follows a good end only: what failed is to be seen and decided on, so the resize is recorded as cancelled, with why.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Cluster, Operation
from shared.domain.ids import new_id
from shared.domain.states import OperationKind, OperationState
from shared.events.catalog import OperationCancelled, operation_event
from shared.events.log import emit
from shared.operations.resize import begin_resize
from shared.operations.start import emit_requested, new_operation, start_operation


async def let_delete_follow(
    session: AsyncSession,
    cluster: Cluster,
    live: Operation,
    *,
    user_id: str,
    request_id: str | None,
    timeout: timedelta | None,
) -> str:
    """Have a delete follow `live`; a resize that waited for it is cancelled. Asking again changes nothing.

    Returns:
        The id of the delete to come.
    """
    waiting = live.follow_up
    if waiting is None or waiting["kind"] != OperationKind.DELETE:
        live.follow_up = {
            "kind": OperationKind.DELETE.value,
            "uuid": new_id(),
            "user_id": user_id,
            "request_id": request_id,
            "timeout": timeout.total_seconds() if timeout else None,
        }
        if waiting is not None:
            await _cancel_unbegun(session, cluster, waiting, "Cancelled: the cluster is being deleted.")
    promised: str = live.follow_up["uuid"]  # type: ignore[index]
    return promised


async def begin_follow_up(session: AsyncSession, cluster: Cluster, ended: Operation) -> None:
    """Begin what waited for `ended`, in the transaction that ends it."""
    waiting = ended.follow_up
    if waiting is None:
        return
    await session.flush()
    common: dict[str, Any] = {
        "user_id": waiting["user_id"],
        "request_id": waiting["request_id"],
        "timeout": timedelta(seconds=waiting["timeout"]) if waiting["timeout"] else None,
        "operation_id": waiting["uuid"],
    }
    if waiting["kind"] == OperationKind.DELETE:
        await start_operation(session, cluster=cluster, kind=OperationKind.DELETE, **common)
    elif ended.state == OperationState.SUCCEEDED:
        await begin_resize(session, cluster, waiting["wish"], waiting["params"], **common)
    else:
        await _cancel_unbegun(session, cluster, waiting, f"Cancelled: the {ended.kind} before it {ended.state}.")


async def _cancel_unbegun(session: AsyncSession, cluster: Cluster, waiting: dict[str, Any], reason: str) -> None:
    """Put an operation that will never begin on record: somebody was told that it was accepted."""
    operation = new_operation(
        cluster,
        OperationKind(waiting["kind"]),
        OperationState.CANCELLED,
        operation_id=waiting["uuid"],
        user_id=waiting["user_id"],
        request_id=waiting["request_id"],
        params=waiting["params"],
        reason=reason,
        nodegroup_ids=list(waiting["wish"]["counts"]),
        finished_at=func.now(),
    )
    session.add(operation)
    await session.flush()
    await emit_requested(session, cluster, operation)
    await emit(
        session,
        operation_event(operation.kind, "cancelled"),
        OperationCancelled(kind=OperationKind(operation.kind), reason=reason),
        project_id=cluster.project_id,
        cluster=cluster,
        operation_id=operation.uuid,
    )
