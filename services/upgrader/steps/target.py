"""The target of an upgrade, resolved once: later changes of the template have no effect on it."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from shared.db.models import ClusterTemplate
from shared.domain.errors import PermanentError
from shared.operations.outputs import UpgradeTarget
from shared.operations.params import UpgradeParams
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.context import StepContext


async def ensure_target_known(context: StepContext, operation: OperationView) -> Done | Wait:
    """The labels the cluster will have, and the version they select."""
    state = await context.cluster(operation)
    template_id = operation.read_params(UpgradeParams).cluster_template_id
    async with context.database.transaction() as session:
        wanted = await session.scalar(select(ClusterTemplate.labels).where(ClusterTemplate.uuid == template_id))
    if wanted is None:
        raise PermanentError(f"cluster template {template_id} is gone")
    # Checked again: the cluster may have changed since the request.
    if problems := state.engine.upgrade_problems(state.spec, wanted):
        raise PermanentError("; ".join(problems))
    labels = dict(state.engine.upgraded_labels(state.spec, wanted))
    version = state.engine.version(replace(state.spec, labels=labels))
    return Done(UpgradeTarget(labels=labels, version=version))
