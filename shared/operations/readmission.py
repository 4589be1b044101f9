"""A machine that was started from nothing joins its cluster again.

Rule: the engine still knows the node that the machine was, and refuses a second one of its name. So a working node
removes the old membership first, when the machine has proved by its token that it lost the old credential, and the
bootstrap waits for that.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import Impossible, NodeAction
from shared.db.models import Node, NodeCommand
from shared.domain.errors import Conflict
from shared.operations.cluster_state import ClusterState, read_cluster
from shared.operations.node_commands import send_command
from shared.operations.specs import node_spec

REMOVAL_SECONDS = 60
# A removal that is not answered in this time no longer delays the join, which then fails with the engine's own words.
REMOVAL_LIMIT = timedelta(minutes=10)


def find_removal(state: ClusterState, node: Node) -> NodeAction | Impossible | None:
    """How the engine forgets what the machine was."""
    return state.engine.forget(state.spec, node_spec(node), state.nodes, seconds=REMOVAL_SECONDS)


async def begin_readmission(session: AsyncSession, node: Node) -> None:
    """Have the node's old membership removed, if it had one.

    Args:
        session: the caller's transaction, in which the cluster and then `node` are locked.

    Raises:
        Conflict: the node cannot join again now; the message says why.
    """
    if node.joined_at is None:
        return
    action = find_removal(await read_cluster(session, node.cluster_id), node)
    if isinstance(action, Impossible):
        raise Conflict(f"Node {node.name} cannot join again: {action.reason}.")
    node.joined_at = None
    if action is None:
        return
    # One removal for each life of the machine, however often the exchange is repeated.
    node.removal_id = str(uuid5(NAMESPACE_OID, f"removal of {node.uuid} launched at {node.launched_at}"))
    await send_command(session, action.node_id, action.command, command_id=node.removal_id, args=action.args)


async def removal_is_pending(session: AsyncSession, node: Node, now: datetime) -> bool:
    """Whether the node's bootstrap has to wait for its old membership to be removed."""
    if node.removal_id is None:
        return False
    command = await session.get(NodeCommand, node.removal_id)
    return command is not None and command.finished_at is None and now - command.created_at < REMOVAL_LIMIT
