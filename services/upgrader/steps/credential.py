"""Another application credential for a cluster's add-ons, without a moment in which they have none.

Rule: the new one works before the cluster is told, and the old one goes after the cluster has said it has the new.
"""

from __future__ import annotations

from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select

from shared.cloud.names import credential
from shared.db.models import Node
from shared.domain.errors import PermanentError
from shared.domain.states import NodeState
from shared.operations.locks import lock_cluster
from shared.operations.node_commands import command_given, last_words
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.context import StepContext
from shared.steps.credentials import delete_credentials, make_credential, read_credential, store_credential

_LOOK_EVERY = 30.0


async def ensure_new_credential(context: StepContext, operation: OperationView) -> Done | Wait:
    await make_credential(context, operation, credential(operation.cluster_id, operation.uuid))
    return Done()


async def ensure_cluster_has_it(context: StepContext, operation: OperationView) -> Done | Wait:
    """The master that applies the add-ons does so again: their configuration holds the credential."""
    if not await read_credential(context, operation):
        return Done({"told": None})
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        masters = select(Node).where(Node.cluster_id == operation.cluster_id, Node.role == "master")
        first = (await session.scalars(masters.order_by(Node.index).limit(1))).one()
        if first.state != NodeState.JOINED:
            raise PermanentError(f"{first.name}, which applies the add-ons, is {first.state}")
        command_id = str(uuid5(NAMESPACE_OID, f"{operation.run_tag} credential"))
        told = await command_given(session, first.uuid, "bootstrap", command_id=command_id)
        if told.ok is None:
            return Wait(f"{first.name} takes the new credential", _LOOK_EVERY, 0, 1)
        if not told.ok:
            raise PermanentError(f"{first.name} could not take the new credential: {last_words(told)}")
    return Done({"told": first.uuid})


async def ensure_old_ones_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    stored = await read_credential(context, operation)
    await delete_credentials(context, operation, stored.get("old", []))
    if stored:
        await store_credential(context, operation, {**stored, "old": []})
    return Done()
