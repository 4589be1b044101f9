"""Completes what new nodes cannot do themselves, such as setting their labels, once all of them have joined.

Rule: the engine names the commands, which are sent one after another and can be repeated. Most engines have none.
"""

from __future__ import annotations

from shared.domain.errors import PermanentError
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.outputs import NO_OUTPUT
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.commands import LOOK_EVERY, command_limit, give_in_order
from shared.steps.context import StepContext


async def ensure_nodes_settled(context: StepContext, operation: OperationView) -> Done | Wait:
    """The engine's commands after a join have succeeded."""
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        actions = state.engine.settling(state.spec, list(state.nodegroups.values()), state.nodes)
        limit = command_limit(context.settings)
        for answer in await give_in_order(session, operation.run_tag, "settle", actions, limit=limit):
            if answer.is_pending:
                return Wait("the cluster's nodes are being set up by a master", LOOK_EVERY)
            if answer.failure is not None:
                raise PermanentError(f"the nodes have joined, but could not be set up: {answer.failure}")
    return Done(NO_OUTPUT)
