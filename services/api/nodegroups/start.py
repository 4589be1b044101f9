"""Starts operations on nodegroups, or queues them behind what the cluster is doing with its nodes."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.clusters.deadlines import deadline
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.wire.errors import conflict, not_found, wrong_status
from shared.db.models import Cluster, Nodegroup
from shared.domain.states import OperationKind
from shared.operations.locks import lock_cluster
from shared.operations.params import Params
from shared.operations.queue import Busy, request_nodegroup_operation


async def start_on_nodegroup(
    session: AsyncSession,
    deps: Deps,
    context: RequestContext,
    cluster: Cluster,
    kind: OperationKind,
    group: Nodegroup,
    params: Params,
) -> None:
    """Queue an operation on a nodegroup: it starts now, or after those that the cluster has already accepted.

    Raises:
        ApiError: 409 if it cannot wait for the live operation. Clients repeat a request after a 409.
    """
    try:
        await request_nodegroup_operation(
            session,
            cluster=cluster,
            kind=kind,
            nodegroup=group,
            params=params,
            user_id=context.user_id,
            request_id=context.request_id,
            timeout=deadline(deps.settings, cluster, kind),
        )
    except Busy:
        raise conflict(wrong_status(cluster.status).detail) from None


async def present_nodegroup(session: AsyncSession, group: Row) -> Nodegroup:
    """The nodegroup's row as it is now, under the lock of its cluster. Raises ApiError: 404."""
    row = await session.scalar(select(Nodegroup).where(Nodegroup.uuid == group["uuid"]))
    if row is None:
        raise not_found("Nodegroup", group["name"])
    return row


async def locked_cluster(session: AsyncSession, found: Row) -> Cluster:
    """The cluster's row, locked. Raises ApiError: 404."""
    cluster = await lock_cluster(session, found["uuid"])
    if cluster is None:
        raise not_found("Cluster", found["uuid"])
    return cluster
