"""The health of a cluster: `health_status` and `health_status_reason`.

Rule: nothing is written unless it changed, and each change of the status is one event. What a client wrote takes
precedence while it is fresh; after that, the measured health counts again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import ClusterHealth, HealthStatus, NodeHealth
from shared.db.models import Cluster, Node
from shared.domain.errors import DriverMissing
from shared.domain.states import DELETING
from shared.drivers.registry import get_engine
from shared.events.catalog import ClusterHealthChanged
from shared.events.log import emit
from shared.operations.node_health import counts, healthy_of, is_silent, problem_of, states_of
from shared.operations.specs import cluster_spec, node_spec
from shared.settings import Settings

_NAMED_IN_EVENT = 50


async def measure_health(session: AsyncSession, cluster: Cluster, settings: Settings, now: datetime) -> None:
    """Bring a cluster's health up to date with its nodes' rows, and note that this was done.

    Args:
        session: the caller's transaction, in which `cluster` is locked.
    """
    cluster.measure_at = None
    if cluster.status == DELETING:
        return
    if cluster.health_reported_at is not None:
        ends = cluster.health_reported_at + timedelta(seconds=settings.client_health_seconds)
        if now < ends:
            cluster.measure_at = ends
            return
        cluster.health_reported_at = None
    rows = await session.scalars(
        select(Node).where(Node.cluster_id == cluster.uuid).order_by(Node.nodegroup_id, Node.index)
    )
    nodes = [_known(row, now, settings.heartbeat_seconds) for row in rows if counts(row)]
    if nodes:
        found = _measured(cluster, nodes)
        await write_health(session, cluster, found.status, found.reasons)
    elif cluster.health_status is not None:
        await write_health(session, cluster, HealthStatus.UNKNOWN, {})


async def report_health(
    session: AsyncSession,
    cluster: Cluster,
    status: str | None,
    reasons: Mapping[str, str],
    *,
    now: datetime,
    settings: Settings,
) -> None:
    """Write the health that a client measured. Without a status, the health is measured here again."""
    cluster.health_reported_at = None if status is None else now
    cluster.measure_at = now if status is None else now + timedelta(seconds=settings.client_health_seconds)
    await write_health(session, cluster, status, reasons)


async def write_health(session: AsyncSession, cluster: Cluster, status: str | None, reasons: Mapping[str, str]) -> None:
    """Write a health that differs from the stored one."""
    old = cluster.health_status
    if old == status and cluster.health_status_reason == dict(reasons):
        return
    cluster.health_status, cluster.health_status_reason = status, dict(reasons)
    if old == status or status is None:
        return
    await emit(
        session,
        "cluster.health.changed.v1",
        ClusterHealthChanged(
            status=status,
            old_status=old,
            reasons=_remarkable(reasons),
            reported=cluster.health_reported_at is not None,
        ),
        project_id=cluster.project_id,
        cluster=cluster,
    )


def _measured(cluster: Cluster, nodes: Sequence[NodeHealth]) -> ClusterHealth:
    """What the engine says; without its driver, the health is unknown, and other clusters are measured as usual."""
    try:
        return get_engine(cluster.engine).health(cluster_spec(cluster), nodes)
    except DriverMissing as error:
        return ClusterHealth(HealthStatus.UNKNOWN, {"driver": str(error)})


def _known(row: Node, now: datetime, heartbeat_seconds: float) -> NodeHealth:
    return NodeHealth(
        node=node_spec(row),
        fresh=not is_silent(row.last_report_at, now, heartbeat_seconds),
        healthy=healthy_of(row.health),
        problem=problem_of(row),
        states=states_of(row.health),
    )


def _remarkable(reasons: Mapping[str, str]) -> dict[str, str]:
    """What is not in order, since a large cluster has a thousand reasons."""
    found = {name: text for name, text in reasons.items() if text.lower() not in ("ok", "true")}
    return dict(list(found.items())[:_NAMED_IN_EVENT])
