"""The plans of the upgrader: to another version, to other authorities, to another credential. Read this first.

An upgrade in place keeps the machines: each node is drained, upgraded by its own agent and uncordoned, masters one
after another before any worker; then the add-ons are applied. `nodes.version` records what was done, so a retry resumes
at the node that failed. An upgrade to another image replaces machines: new nodes join, then old ones are drained and
removed.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.upgrader.steps import add_ons, authorities, credential, nodes, replace, target
from shared.db.models import Cluster, ClusterTemplate, Operation
from shared.domain.kinds import OperationKind
from shared.operations import step_keys as keys
from shared.operations.cluster_state import record_versions
from shared.operations.params import UpgradeParams
from shared.operations.record import load_view
from shared.steps.faults import record_nodegroup_faults
from shared.steps.servers import after_look
from shared.steps.step_plan import StepPlan

_SHOWN = 5


class UpgradePlan(StepPlan):
    kind = OperationKind.UPGRADE
    functions = (
        (keys.RESOLVE_TARGET, after_look(target.ensure_target_known)),
        (keys.UPGRADE_CONTROL_NODES, nodes.ensure_masters_upgraded),
        (keys.REPLACE_CONTROL_NODES, replace.ensure_masters_replaced),
        (keys.REPLACE_OTHER_NODES, replace.ensure_workers_replaced),
        (keys.UPGRADE_OTHER_NODES, add_ons.ensure_workers_and_add_ons_upgraded),
    )

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> str | None:
        """The cluster has reached the version and refers to its new template; the steps have written the rest.

        What could not be done for replaced nodes is in the operation's reason already.
        """
        if await target.is_of_the_cluster(session, cluster.uuid, operation.nodegroup_ids):
            version = (await load_view(session, operation)).output(keys.RESOLVE_TARGET).version
            if version:
                cluster.coe_version = version
            else:
                await record_versions(session, cluster)
            await _take_template(session, cluster, UpgradeParams.load(operation.params).cluster_template_id)
        return operation.reason

    async def failed(
        self, session: AsyncSession, cluster: Cluster, operation: Operation, reason: str
    ) -> dict[str, str]:
        return await record_nodegroup_faults(session, cluster, operation)


async def _take_template(session: AsyncSession, cluster: Cluster, template_id: str) -> None:
    """Refer to the new template, unless it has been deleted in the meantime."""
    found = await session.scalar(
        select(ClusterTemplate.uuid).where(ClusterTemplate.uuid == template_id).with_for_update(read=True)
    )
    if found is not None:
        cluster.cluster_template_id = found


class RotateCaPlan(StepPlan):
    """Its steps write everything, so that the next rotation can complete one that was interrupted."""

    kind = OperationKind.ROTATE_CA
    functions = (
        (keys.CREATE_AUTHORITIES, after_look(authorities.ensure_successors_made)),
        (keys.TRUST_BOTH, authorities.ensure_both_trusted),
        (keys.REPLACE_KEY_PAIRS, authorities.ensure_key_pairs_replaced),
        (keys.RESTART_WORKLOADS, authorities.ensure_trust_refreshed),
        (keys.SIGN_WITH_NEW, authorities.ensure_successors_sign),
        (keys.REMOVE_OLD_AUTHORITIES, authorities.ensure_old_ones_removed),
    )

    async def completed(self, session: AsyncSession, cluster: Cluster, operation: Operation) -> str | None:
        """Name workloads that may still run with the old authorities."""
        left = (await load_view(session, operation)).output(keys.RESTART_WORKLOADS).not_restarted
        if not left:
            return None
        shown = "; ".join(f"{name}: {why}" for name, why in list(left.items())[:_SHOWN])
        more = f"; and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        return f"workloads that may not trust the new authorities until they are restarted: {shown}{more}"


class RotateCredentialsPlan(StepPlan):
    kind = OperationKind.ROTATE_CREDENTIALS
    functions = (
        (keys.CREATE_CREDENTIAL, after_look(credential.ensure_new_credential)),
        (keys.DISTRIBUTE_CREDENTIAL, credential.ensure_credential_distributed),
        (keys.DELETE_OLD_CREDENTIALS, credential.ensure_old_ones_gone),
    )


PLANS = (UpgradePlan, RotateCaPlan, RotateCredentialsPlan)
