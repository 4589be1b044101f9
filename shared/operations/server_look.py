"""Compares the nodes of clusters of one project with Nova, and records what follows.

Rule: one paged list of the project's servers answers for all clusters; a few servers are asked for by their IDs. A
server that is not in the list is asked for by its ID before that is believed. If nothing differs, nothing is written. A
node that is lost, or whose machine was relaunched, fails with the reason; a one-time token becomes valid again only
here, on Nova's word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import MASTER, Impossible
from shared.cloud.contract import Cloud, CloudFactory
from shared.cloud.types import Server
from shared.db.engine import Database
from shared.db.models import Cluster, Node
from shared.domain.errors import DriverMissing
from shared.domain.states import DELETING, Loss, NodeState
from shared.operations.attention import ask_for_measure
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.node_tokens import hash_token, load_token_seeds
from shared.operations.readmission import find_removal
from shared.operations.replaced_servers import Replacement, find_replacements
from shared.operations.reports import emit_node, move_node
from shared.operations.requests import make_due
from shared.operations.server_findings import Finding, Found, Known, judge
from shared.pki.sealing import Sealer

_AT_ONCE = 8
# So many servers are asked for one by one; a list is quicker for more.
FEW = 8
_ASK_FOR_CALL = "it counts again when its agent has reported"
_MASTER_ADVICE = (
    "masters are not replaced: while a majority of them works, move the workloads to a new cluster; otherwise restore "
    "a backup there"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What the cloud says: server id -> the server or None, node uuid -> the server that Heat has put in its place."""

    servers: Mapping[str, Server | None]
    replacements: Mapping[str, Replacement]

    def finding(self, node: Node) -> Finding | None:
        """None if the node's server was not asked for."""
        if node.server_id is None or node.server_id not in self.servers or node.state == NodeState.REMOVING:
            return None
        new = self.replacements.get(node.uuid)
        known = Known(node.server_id, node.state, node.loss, node.launched_at, node.announced_at, node.last_report_at)
        if new is None:
            return judge(known, self.servers[node.server_id])
        reason = f"server {node.server_id} was replaced by server {new.server.id}"
        return Finding(new.server.status, new.server.launched_at, Found.RELAUNCHED, reason)


async def look_at_servers(
    database: Database,
    sealer: Sealer,
    clouds: CloudFactory,
    project_id: str,
    cluster_ids: Collection[str],
    *,
    only: Collection[str] | None = None,
) -> int:
    """Look at the servers of these clusters of one project. Without servers, the cloud is not asked.

    Args:
        only: IDs of the servers to look at; None for all.

    Returns:
        The number of nodes about which something was found.

    Raises:
        TemporaryError, PermanentError: Nova or Heat did not answer; nothing was written.
    """
    async with database.transaction() as session:
        nodes = await _nodes(session, cluster_ids, only)
    if not nodes:
        return 0
    cloud = clouds.for_project(project_id)
    answers = await (_ask(cloud, nodes) if only is None or len(nodes) > FEW else _ask_few(cloud, nodes))
    differing = {node.cluster_id for node in nodes if _differs(node, answers.finding(node))}
    found = 0
    for cluster_id in sorted(differing):
        async with database.transaction() as session:
            cluster = await lock_cluster(session, cluster_id)
            if cluster is not None and cluster.status != DELETING:
                found += await _record(session, sealer, cluster, answers, only)
    return found


async def _nodes(
    session: AsyncSession, cluster_ids: Collection[str], only: Collection[str] | None, *, lock: bool = False
) -> Sequence[Node]:
    query = select(Node).where(
        Node.cluster_id.in_(cluster_ids), Node.server_id.is_not(None), Node.state != NodeState.REMOVING
    )
    if only is not None:
        query = query.where(Node.server_id.in_(only))
    query = query.order_by(Node.nodegroup_id, Node.index)
    return (await session.scalars(query.with_for_update() if lock else query)).all()


async def _ask(cloud: Cloud, nodes: Sequence[Node]) -> Answers:
    ids = {node.server_id for node in nodes if node.server_id is not None}
    listed = {server.id: server for server in await cloud.list_marked_servers(ids=ids)}
    slots = asyncio.Semaphore(_AT_ONCE)

    async def confirm(server_id: str) -> Server | None:
        async with slots:
            return await cloud.find_server(server_id)

    missing = sorted(ids - listed.keys())
    confirmed = dict(zip(missing, await asyncio.gather(*map(confirm, missing)), strict=True))
    servers = {server_id: listed.get(server_id) or confirmed.get(server_id) for server_id in ids}
    gone = [node for node in nodes if (server := servers[node.server_id or ""]) is None or server.deleting]
    return Answers(servers, await find_replacements(cloud, gone, listed.values()))


async def _ask_few(cloud: Cloud, nodes: Sequence[Node]) -> Answers:
    """Two short requests for a server that is gone, one for any other: the project's list takes as long as it is."""
    shown = await asyncio.gather(*(cloud.find_server(node.server_id or "") for node in nodes))
    servers = {node.server_id or "": server for node, server in zip(nodes, shown, strict=True)}
    gone = [node for node in nodes if (server := servers[node.server_id or ""]) is None or server.deleting]
    namesakes = await asyncio.gather(*(cloud.find_node_server(node.name, node_id=node.uuid) for node in gone))
    return Answers(servers, await find_replacements(cloud, gone, [server for server in namesakes if server]))


def _differs(node: Node, finding: Finding | None) -> bool:
    if finding is None:
        return False
    return finding.outcome is not None or (node.server_status, node.launched_at) != (
        finding.status,
        finding.launched_at,
    )


async def _record(
    session: AsyncSession, sealer: Sealer, cluster: Cluster, answers: Answers, only: Collection[str] | None
) -> int:
    found = 0
    for node in await _nodes(session, [cluster.uuid], only, lock=True):
        finding = answers.finding(node)
        if finding is None or not _differs(node, finding):
            continue
        node.server_status, node.launched_at = finding.status, finding.launched_at
        if finding.outcome is None:
            continue
        found += 1
        if finding.outcome is Found.LOST:
            advice = f"; {_MASTER_ADVICE}" if node.role == MASTER else ""
            await _fail(session, cluster, node, Loss.MACHINE, finding.reason + advice)
        elif finding.outcome is Found.BACK:
            await _fail(session, cluster, node, Loss.AGENT, f"{finding.reason}; {_ASK_FOR_CALL}")
        else:
            await _start_again(session, sealer, cluster, node, finding, answers.replacements.get(node.uuid))
    await ask_for_measure(session, cluster.uuid)
    if found:
        await make_due(session, cluster.uuid)
    return found


async def _start_again(
    session: AsyncSession, sealer: Sealer, cluster: Cluster, node: Node, finding: Finding, new: Replacement | None
) -> None:
    """The token becomes valid again if the machine could join again; an agent that kept its disk needs none."""
    if new is not None:
        node.server_id = new.server.id
        node.ip_address, node.floating_ip = new.ip_address or node.ip_address, new.floating_ip or node.floating_ip
    obstacle = None
    if node.joined_at is not None:
        obstacle = await _why_not_again(session, node)
    if obstacle is None:
        seeds = await load_token_seeds(session, sealer, cluster.uuid)
        if seeds is not None:
            node.token_hash = hash_token(seeds.token(node.uuid, node.created_at))
        reason = f"{finding.reason}; {_ASK_FOR_CALL}"
    else:
        reason = f"{finding.reason}; {_ASK_FOR_CALL}, if its disk was kept; otherwise: {obstacle}"
    await _fail(session, cluster, node, Loss.AGENT, reason)


async def _why_not_again(session: AsyncSession, node: Node) -> str | None:
    """Why a machine that has lost its disk could not join again under its node's name; None if it could."""
    try:
        found = find_removal(await read_cluster(session, node.cluster_id), node)
    except DriverMissing as error:
        return str(error)
    return found.reason if isinstance(found, Impossible) else None


async def _fail(session: AsyncSession, cluster: Cluster, node: Node, loss: Loss, reason: str) -> None:
    """Fail the node, or replace the reason for which it failed before."""
    if node.state == NodeState.FAILED:
        node.reason = reason
        await emit_node(session, node, "node.failed.v1", project_id=cluster.project_id, reason=reason)
    else:
        await move_node(session, node, NodeState.FAILED, project_id=cluster.project_id, reason=reason)
    node.loss = loss
