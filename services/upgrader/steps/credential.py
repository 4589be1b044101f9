"""Replaces the application credential of a cluster's add-ons without an interruption.

Rule: the new credential is valid before the cluster gets it, and the old one is deleted after the cluster has confirmed
the new one.
"""

from __future__ import annotations

from jeroboam.driver import Impossible
from services.upgrader.steps.masters import carried_out
from shared.cloud.names import credential
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.outputs import DistributedCredential
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.context import StepContext
from shared.steps.credentials import delete_credentials, make_credential, read_credential, store_credential

_KEY = "credential"


async def ensure_new_credential(context: StepContext, operation: OperationView) -> Done | Wait:
    await make_credential(context, operation, credential(operation.cluster_id, operation.uuid))
    return Done()


async def ensure_credential_distributed(context: StepContext, operation: OperationView) -> Done | Wait:
    """The nodes that the engine names have applied the new credential."""
    if not await read_credential(context, operation):
        return Done(DistributedCredential(node_id=None))
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        found = state.engine.credential_actions(state.nodes)
        wait = await carried_out(
            context, session, operation, state, found, purpose=_KEY, doing="apply the new credential"
        )
    named = [] if isinstance(found, Impossible) else [action.node_id for action in found]
    return wait or Done(DistributedCredential(node_id=next(iter(named), None)))


async def ensure_old_ones_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    stored = await read_credential(context, operation)
    await delete_credentials(context, operation, stored.get("old", []))
    if stored:
        await store_credential(context, operation, {**stored, "old": []})
    return Done()
