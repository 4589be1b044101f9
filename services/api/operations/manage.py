"""Retries and cancels operations."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.clusters.deadlines import deadline
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.wire.errors import conflict, not_found
from shared.db.models import Cluster, Operation
from shared.domain.states import OperationKind
from shared.operations.locks import lock_cluster
from shared.operations.requests import cancel_operation, retry_operation


async def retry(deps: Deps, context: RequestContext, found: Row) -> None:
    """Queue a failed operation again, with a new deadline.

    Raises:
        Conflict: it did not fail, or the cluster had another operation since then.
    """
    deps.policy.check(context, "operation:retry", project_id=found["project_id"], user_id=found["user_id"])
    async with deps.db.transaction() as session:
        cluster, operation = await _locked(session, found)
        timeout = deadline(deps.settings, cluster, OperationKind(operation.kind))
        await retry_operation(session, operation, cluster, request_id=context.request_id, timeout=timeout)


async def cancel(deps: Deps, context: RequestContext, found: Row) -> None:
    """Cancel an operation that is not a delete.

    Raises:
        Conflict: it has ended, or cannot be cancelled.
    """
    deps.policy.check(context, "operation:cancel", project_id=found["project_id"], user_id=found["user_id"])
    async with deps.db.transaction() as session:
        cluster, operation = await _locked(session, found)
        await cancel_operation(session, operation, cluster)


async def _locked(session: AsyncSession, found: Row) -> tuple[Cluster, Operation]:
    cluster = await lock_cluster(session, found["cluster_id"])
    operation = await session.scalar(select(Operation).where(Operation.uuid == found["uuid"]).with_for_update())
    if operation is None:
        raise not_found("Operation", found["uuid"])
    if cluster is None:
        raise conflict(f"Cluster {found['cluster_name']} no longer exists.")
    return cluster, operation
