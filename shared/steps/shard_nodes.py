"""Rows of a shard's nodes before and after Heat builds them.

Rule: a row is ready before its server can send a request, and records only what Heat reports as built. A node whose
server was built is never built again; one that has no server is, and its one-time token is valid again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import NodegroupSpec, NodeSpec
from shared.cloud.types import Stack
from shared.db.models import Node
from shared.domain.errors import PermanentError
from shared.domain.states import NodeState
from shared.operations.cluster_state import ClusterState
from shared.operations.locks import lock_cluster
from shared.operations.node_tokens import hash_token, load_token_seeds
from shared.operations.plan import OperationView
from shared.operations.reports import move_node
from shared.stacks.hot import Template
from shared.stacks.shard_template import node_index
from shared.steps.context import StepContext


async def node_tokens(context: StepContext, operation: OperationView, nodes: Sequence[NodeSpec]) -> dict[str, str]:
    """Node uuid -> its one-time token."""
    async with context.database.transaction() as session:
        seeds = await load_token_seeds(session, context.sealer, operation.cluster_id)
        wanted = select(Node.uuid, Node.created_at).where(Node.uuid.in_([node.uuid for node in nodes]))
        created = (await session.execute(wanted)).all()
    if seeds is None:
        raise PermanentError("the cluster's token seed is missing")
    return {uuid: seeds.token(uuid, created_at) for uuid, created_at in created}


def render(
    context: StepContext,
    state: ClusterState,
    group: NodegroupSpec,
    nodes: Sequence[NodeSpec],
    tokens: Mapping[str, str],
) -> Template:
    """The driver's template of a shard with these nodes."""
    settings, driver = context.settings, state.driver(group)
    ca_pem = settings.public_ca_file.read_text() if settings.public_ca_file else None
    user_data = {
        node.uuid: driver.user_data(
            state.spec, node, api_url=settings.public_url, ca_pem=ca_pem, token=tokens[node.uuid]
        )
        for node in nodes
    }
    return driver.shard_stack(state.spec, group, nodes, user_data, state.base_outputs)


async def built(context: StepContext, operation: OperationView) -> frozenset[str]:
    """Uuids of the cluster's nodes whose servers were built."""
    async with context.database.transaction() as session:
        found = await session.scalars(
            select(Node.uuid).where(Node.cluster_id == operation.cluster_id, Node.server_id.is_not(None))
        )
        return frozenset(found)


async def prepare(context: StepContext, nodes: Sequence[NodeSpec], tokens: Mapping[str, str]) -> None:
    """Prepare the rows first: an agent may send a request before Heat's response arrives."""
    async with context.database.transaction() as session:
        rows = await session.scalars(
            select(Node)
            .where(
                Node.uuid.in_([node.uuid for node in nodes]),
                Node.state.in_([NodeState.PLANNED, NodeState.FAILED]),
                Node.server_id.is_(None),
            )
            .with_for_update()
        )
        for row in rows:
            row.token_hash = hash_token(tokens[row.uuid])
            row.credential_hash = None
            row.state = NodeState.CREATING
            row.reason = None


async def record_servers(
    context: StepContext, operation: OperationView, stack: Stack, nodes: Sequence[NodeSpec]
) -> None:
    """Take servers and addresses from a complete shard's outputs, once."""
    async with context.database.transaction() as session:
        missing = await session.scalar(
            select(Node.uuid).where(Node.uuid.in_([node.uuid for node in nodes]), Node.server_id.is_(None)).limit(1)
        )
    if missing is None:
        return
    full = await context.cloud(operation).find_stack(stack.id)
    if full is None:
        return
    async with context.database.transaction() as session:
        for node in nodes:
            output = full.outputs.get(_server(node)) or {}
            await _take_server(session, node, output.get("server_id"), output)


def _server(node: NodeSpec) -> str:
    return f"node-{node.index}"


async def _take_server(session: AsyncSession, node: NodeSpec, server_id: str | None, output: Mapping[str, Any]) -> None:
    if server_id is None:
        return
    # Nova told of a server that failed, and Heat has built another one since; no agent has called from it yet.
    await session.execute(
        update(Node)
        .where(
            Node.uuid == node.uuid,
            Node.server_id.is_(None),
            Node.state == NodeState.FAILED,
            Node.announced_at.is_(None),
        )
        .values(state=NodeState.CREATING, reason=None)
    )
    await session.execute(
        update(Node)
        .where(Node.uuid == node.uuid, or_(Node.server_id.is_(None), Node.server_id != server_id))
        .values(
            server_id=server_id,
            ip_address=output.get("ip_address"),
            floating_ip=output.get("floating_ip"),
            updated_at=func.now(),
        )
    )


async def record_faults(
    context: StepContext, operation: OperationView, stack: Stack, nodes: Sequence[NodeSpec]
) -> None:
    """For a failed shard: record Heat's reason for each node whose resource failed, and the servers of the others.

    Where no node's resource failed, the reason is the stack's, for each node that has no server.
    """
    cloud = context.cloud(operation)
    full = await cloud.find_stack(stack.id)
    reasons: dict[int, str] = {}
    servers: dict[str, str] = {}
    for resource in await cloud.stack_resources(stack.id):
        index = node_index(resource.name)
        if index is None:
            continue
        if resource.status.endswith("FAILED"):
            reasons.setdefault(index, resource.status_reason)
        elif resource.status.endswith("COMPLETE") and resource.physical_id:
            servers[resource.name] = resource.physical_id
    if not reasons:
        there = await built(context, operation)
        reasons = {
            node.index: stack.status_reason for node in nodes if node.uuid not in there and _server(node) not in servers
        }
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        for node in nodes:
            if full is not None and node.index not in reasons:
                await _take_server(session, node, servers.get(_server(node)), full.outputs.get(_server(node)) or {})
        failed = {node.uuid: reasons[node.index] for node in nodes if node.index in reasons}
        rows = await session.scalars(select(Node).where(Node.uuid.in_(list(failed))).with_for_update())
        for row in rows:
            if row.state not in (NodeState.FAILED, NodeState.REMOVING):
                await move_node(
                    session, row, NodeState.FAILED, project_id=operation.project_id, reason=failed[row.uuid]
                )
