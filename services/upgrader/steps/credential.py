"""Another application credential for a cluster's add-ons, without a moment in which they have none.

Rule: the new one works before the cluster gets it, and the old one goes after the cluster has said it has the new.
"""

from __future__ import annotations

from sqlalchemy import select

from shared.cloud.names import credential
from shared.db.models import Node
from shared.domain.errors import PermanentError
from shared.domain.states import NodeState
from shared.drivers.base import NodeAction
from shared.operations.locks import lock_cluster
from shared.operations.outputs import DistributedCredential
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.commands import LOOK_EVERY, command_limit, give_commands
from shared.steps.context import StepContext
from shared.steps.credentials import delete_credentials, make_credential, read_credential, store_credential

_KEY = "credential"


async def ensure_new_credential(context: StepContext, operation: OperationView) -> Done | Wait:
    await make_credential(context, operation, credential(operation.cluster_id, operation.uuid))
    return Done()


async def ensure_credential_distributed(context: StepContext, operation: OperationView) -> Done | Wait:
    """The master that applies the add-ons does so again: their configuration holds the credential."""
    if not await read_credential(context, operation):
        return Done(DistributedCredential(node_id=None))
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        masters = select(Node).where(Node.cluster_id == operation.cluster_id, Node.role == "master")
        first = (await session.scalars(masters.order_by(Node.index).limit(1))).one()
        if first.state != NodeState.JOINED:
            raise PermanentError(f"{first.name}, which applies the add-ons, is {first.state}")
        asked = {_KEY: NodeAction(first.uuid, "bootstrap")}
        limit = command_limit(context.settings)
        answer = (await give_commands(session, operation.run_tag, asked, limit=limit))[_KEY]
        if answer.is_pending:
            return Wait(f"{first.name} takes the new credential", LOOK_EVERY, 0, 1)
        if not answer.succeeded:
            raise PermanentError(f"{first.name} could not take the new credential: {answer.reason}")
    return Done(DistributedCredential(node_id=first.uuid))


async def ensure_old_ones_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    stored = await read_credential(context, operation)
    await delete_credentials(context, operation, stored.get("old", []))
    if stored:
        await store_credential(context, operation, {**stored, "old": []})
    return Done()
