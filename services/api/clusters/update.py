"""`PATCH /v1/clusters/{id}`.

Rule: all changes of a patch are checked before any of them is written, and all are written in one transaction. Name,
labels and health attributes take effect immediately; a node count starts a resize. Health that a client writes takes
precedence over the measured one for a while, and is written again by the same patch sent again.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.clusters.patch import Asked, asked_for
from services.api.clusters.resize import Resize, check_resize, refuse_zero, start_resize
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.nodegroups.queries import default_worker
from services.api.reader import Row
from services.api.wire.errors import bad_request, not_found
from services.api.wire.fields import check_labels_fit
from services.api.wire.patch import Change
from shared.db.models import Cluster, Nodegroup
from shared.domain.states import OperationKind
from shared.drivers.registry import get_engine
from shared.operations.cluster_health import report_health
from shared.operations.locks import lock_cluster
from shared.operations.specs import read_spec, with_defaults


async def update_cluster(
    deps: Deps, context: RequestContext, found: Row, changes: list[Change], *, rollback: bool | None
) -> None:
    """Apply a patch to a cluster that the caller can see.

    Args:
        rollback: the query argument; stored with the operation; nothing is rolled back automatically. None: not given.
    """
    if context.all_projects:
        deps.policy.check(context, "cluster:update_all_projects")
    deps.policy.check(context, "cluster:update", project_id=found["project_id"], user_id=found["user_id"])
    # Magnum evaluates this rule against the caller's project, not the cluster's, so every member passes.
    deps.policy.check(context, "cluster:update_health_status")
    asked = asked_for(found, changes)
    if "labels" in asked.columns:
        check_labels_fit(deps.settings.limits, asked.columns["labels"])
        _check_labels(found, asked.columns["labels"])
    if asked.health is not None:
        check_labels_fit(deps.settings.limits, asked.health[1], "health_status_reason")
    resize: Resize | None = None
    if asked.node_count is not None:
        refuse_zero(context, asked.node_count)
        group = await default_worker(deps.reader, found["uuid"])
        resize = await check_resize(deps, context, found, group, asked.node_count, ())
    if not asked.columns and resize is None and asked.health is None:
        return
    with resize.promise if resize else nullcontext():
        async with deps.db.transaction() as session:
            cluster = await lock_cluster(session, found["uuid"])
            if cluster is None:
                raise not_found("Cluster", found["uuid"])
            await _write(session, cluster, asked)
            if asked.health is not None:
                status, reasons = asked.health
                await report_health(session, cluster, status, reasons, now=deps.clock(), settings=deps.settings)
            if resize is not None:
                await start_resize(session, deps, context, cluster, resize, rollback=rollback)


def _check_labels(found: Row, labels: dict[str, str]) -> None:
    engine = get_engine(found["engine"])
    if OperationKind.RESIZE.value not in engine.capabilities:
        raise bad_request(f"Labels apply only to new nodes, and driver {found['driver']} creates none.")
    wanted = with_defaults(found["spec"], labels)
    before = read_spec(found["spec"], found["labels"])
    problems = engine.label_change_problems(before, wanted)
    if not problems:
        # A cluster that was created under other rules is not rejected for what it has already.
        known = engine.problems(before, ())
        problems = [text for text in engine.problems(replace(before, labels=wanted), ()) if text not in known]
    if problems:
        raise bad_request(" ".join(problems))


async def _write(session: AsyncSession, cluster: Cluster, asked: Asked) -> None:
    """Write columns of the cluster, and its labels also to the default nodegroups, whose labels are copies of them."""
    if not asked.columns:
        return
    for name, value in asked.columns.items():
        setattr(cluster, name, value)
    cluster.updated_at = func.now()
    if "labels" in asked.columns:
        await session.execute(
            update(Nodegroup)
            .where(Nodegroup.cluster_id == cluster.uuid, Nodegroup.is_default)
            .values(labels=asked.columns["labels"], updated_at=func.now())
            .execution_options(synchronize_session=False)
        )
