"""The shards: every nodegroup's stacks, in parallel, each with at most `nodes_per_stack` nodes.

Rule: a shard that fails does not stop the others; when all have settled the operation fails with every node's own
reason. Nothing is rolled back: what stands, stands, and a retry mends the rest.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import select, update

from shared.cloud.names import shard_stack
from shared.cloud.types import Stack
from shared.db.models import Node, Nodegroup
from shared.domain.errors import PermanentError
from shared.domain.states import NodeState
from shared.drivers.base import NodeSpec, Template
from shared.operations.cluster_state import ClusterState
from shared.operations.locks import lock_cluster
from shared.operations.node_tokens import SEED_SECRET, hash_token, node_token
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.reports import move_node
from shared.pki.cluster_secrets import load_cluster_secret
from shared.steps.context import Context
from shared.steps.stacks import drive_stack, poll_delay

_NODE_RESOURCE = re.compile(r"^(?:node|port)-(\d+)$")


async def ensure_shards(context: Context, operation: OperationView) -> Done | Wait:
    """Every shard's stack complete, and every node's server and addresses known."""
    state = await context.cluster(operation)
    listed = await context.stacks.by_name(operation.project_id)
    shards = {
        shard_stack(operation.cluster_id, state.nodegroups[group].name, number): nodes
        for (group, number), nodes in state.shards().items()
    }
    tokens = await _node_tokens(context, operation, state)
    slots = asyncio.Semaphore(context.settings.stack_concurrency)

    async def drive(name: str, nodes: Sequence[NodeSpec]) -> tuple[str, Stack | None]:
        async with slots:
            found = listed.get(name)
            if found is None or (found.failed and operation.run_tag not in found.tags):
                await _prepare_nodes(context, nodes, tokens)
            render = _renderer(context, state, nodes, tokens)
            return name, await drive_stack(context, operation, name, found, render)

    stacks = dict(await asyncio.gather(*(drive(name, nodes) for name, nodes in shards.items())))
    for name, stack in stacks.items():
        if stack is not None and stack.complete:
            await _record_servers(context, operation, stack, shards[name])
    building = [name for name, stack in stacks.items() if stack is None or stack.in_progress]
    joined = sum(node.state == NodeState.JOINED for node in state.nodes)
    if building:
        reason = f"{len(shards) - len(building)} of {len(shards)} stacks are complete"
        return Wait(reason, poll_delay(operation), joined, len(state.nodes))
    failed = [stack for stack in stacks.values() if stack is not None and stack.failed]
    if failed:
        await _record_faults(context, operation, failed, shards)
        raise PermanentError("; ".join(f"{stack.name}: {stack.status_reason}" for stack in failed))
    return Done({"stacks": len(shards)})


async def _node_tokens(context: Context, operation: OperationView, state: ClusterState) -> dict[str, str]:
    async with context.database.transaction() as session:
        seed = await load_cluster_secret(session, context.sealer, operation.cluster_id, SEED_SECRET)
    if seed is None:
        raise PermanentError("the cluster's token seed is missing")
    return {node.uuid: node_token(seed.secret, node.uuid) for node in state.nodes}


def _renderer(
    context: Context, state: ClusterState, nodes: Sequence[NodeSpec], tokens: Mapping[str, str]
) -> Callable[[], Template]:
    group = state.nodegroups[nodes[0].nodegroup_id]
    settings = context.settings
    ca_pem = settings.public_ca_file.read_text() if settings.public_ca_file else None

    def render() -> Template:
        user_data = {
            node.uuid: state.driver.user_data(
                state.spec, group, node, api_url=settings.public_url, ca_pem=ca_pem, token=tokens[node.uuid]
            )
            for node in nodes
        }
        return state.driver.shard_stack(state.spec, group, nodes, user_data, state.base_outputs)

    return render


async def _prepare_nodes(context: Context, nodes: Sequence[NodeSpec], tokens: Mapping[str, str]) -> None:
    """Rows first: an agent may call before Heat's answer has reached us.

    A node that failed is built anew, so its token must open the door once more.
    """
    async with context.database.transaction() as session:
        rows = await session.scalars(
            select(Node)
            .where(
                Node.uuid.in_([node.uuid for node in nodes]),
                Node.state.in_([NodeState.PLANNED, NodeState.FAILED]),
            )
            .with_for_update()
        )
        for row in rows:
            row.token_hash = hash_token(tokens[row.uuid])
            row.credential_hash = None
            row.state = NodeState.CREATING
            row.reason = None
            row.server_id = None


async def _record_servers(context: Context, operation: OperationView, stack: Stack, nodes: Sequence[NodeSpec]) -> None:
    """Take servers and addresses from the shard's outputs, once."""
    async with context.database.transaction() as session:
        missing = await session.scalar(
            select(Node.uuid).where(Node.uuid.in_([node.uuid for node in nodes]), Node.server_id.is_(None)).limit(1)
        )
    if missing is None:
        return
    full = await context.cloud(operation).find_stack(stack.id)
    if full is None:
        return
    by_index = {node.index: node for node in nodes}
    async with context.database.transaction() as session:
        for index, node in by_index.items():
            output = full.outputs.get(f"node-{index}") or {}
            await session.execute(
                update(Node)
                .where(Node.uuid == node.uuid)
                .values(
                    server_id=output.get("server_id"),
                    ip_address=output.get("ip_address"),
                    floating_ip=output.get("floating_ip"),
                )
            )
        if nodes[0].shard == 0:
            await session.execute(
                update(Nodegroup).where(Nodegroup.uuid == nodes[0].nodegroup_id).values(stack_id=stack.id)
            )


async def _record_faults(
    context: Context, operation: OperationView, failed: Sequence[Stack], shards: Mapping[str, Sequence[NodeSpec]]
) -> None:
    """Give every node whose resource failed Heat's own words for it."""
    cloud = context.cloud(operation)
    for stack in failed:
        nodes = {node.index: node for node in shards[stack.name]}
        reasons: dict[str, str] = {}
        for resource in await cloud.stack_resources(stack.id):
            match = _NODE_RESOURCE.match(resource.name)
            if match and resource.status.endswith("FAILED") and int(match[1]) in nodes:
                reasons.setdefault(nodes[int(match[1])].uuid, resource.status_reason)
        async with context.database.transaction() as session:
            await lock_cluster(session, operation.cluster_id)
            rows = await session.scalars(select(Node).where(Node.uuid.in_(list(reasons))).with_for_update())
            for row in rows:
                if row.state not in (NodeState.FAILED, NodeState.REMOVING):
                    await move_node(
                        session, row, NodeState.FAILED, project_id=operation.project_id, reason=reasons[row.uuid]
                    )
