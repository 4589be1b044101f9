"""Commands to the nodes that an engine names, all of which must succeed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import Impossible, NodeAction
from shared.domain.errors import PermanentError
from shared.operations.cluster_state import ClusterState
from shared.operations.plan import OperationView, Wait
from shared.steps.commands import LOOK_EVERY, command_limit, give_commands
from shared.steps.context import StepContext


async def carried_out(
    context: StepContext,
    session: AsyncSession,
    operation: OperationView,
    state: ClusterState,
    actions: Sequence[NodeAction] | Impossible,
    *,
    purpose: str,
    doing: str,
) -> Wait | None:
    """Send the commands that have not been sent. Returns None when all have succeeded.

    Args:
        session: the caller's transaction, in which the cluster is locked.
        purpose: distinguishes the commands from others of the operation.
        doing: what the nodes do, as an infinitive, e.g. `apply the new credential`.

    Raises:
        PermanentError: it is impossible now, or a command failed.
    """
    if isinstance(actions, Impossible):
        raise PermanentError(actions.reason)
    names = {node.uuid: node.name for node in state.nodes}
    keyed = {f"{purpose} {number}" if number else purpose: action for number, action in enumerate(actions)}
    answers = await give_commands(session, operation.run_tag, keyed, limit=command_limit(context.settings))
    for key, answer in answers.items():
        if not answer.is_pending and not answer.succeeded:
            raise PermanentError(f"{names[keyed[key].node_id]} could not {doing}: {answer.reason}")
    pending = [names[keyed[key].node_id] for key, answer in answers.items() if answer.is_pending]
    if not pending:
        return None
    return Wait(f"waiting for {pending[0]} to {doing}", LOOK_EVERY, len(keyed) - len(pending), len(keyed))
