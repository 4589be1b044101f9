"""A server that could not be built, which Nova tells of long before Heat gives up.

Rule: the node that the server is meant for fails with Nova's reason as soon as Nova confirms it. Heat may build another
server for it, with which the node goes on (`shared.steps.shard_nodes`). The server's metadata only says which node it
is meant for; so only a node of the same project and name without a server is believed to be meant.
"""

from __future__ import annotations

from sqlalchemy import select

from shared.cloud.types import Server
from shared.db.engine import Database
from shared.db.models import Node
from shared.domain.states import NodeState
from shared.operations.locks import lock_cluster
from shared.operations.reports import move_node
from shared.operations.server_findings import ERROR

_CLUSTER, _NODE = "jeroboam_cluster", "jeroboam_node"


async def record_unbuilt(database: Database, project_id: str, server: Server) -> bool:
    """Fail the node that a server in error was meant for.

    Returns:
        Whether looking again is of no use: the node is failed now or has gone on, or there is none.
    """
    cluster_id, node_id = server.metadata.get(_CLUSTER), server.metadata.get(_NODE)
    if not cluster_id or not node_id:
        return True
    if server.status != ERROR:
        return False
    async with database.transaction() as session:
        cluster = await lock_cluster(session, cluster_id)
        if cluster is None or cluster.project_id != project_id:
            return True
        node = await session.scalar(
            select(Node)
            .where(
                Node.uuid == node_id,
                Node.cluster_id == cluster_id,
                Node.name == server.name,
                Node.server_id.is_(None),
                Node.state == NodeState.CREATING,
            )
            .with_for_update()
        )
        if node is not None:
            reason = f"server {server.id} is in status {ERROR}: {server.fault or 'Nova gives no fault'}"
            await move_node(session, node, NodeState.FAILED, project_id=project_id, reason=reason)
    return True
