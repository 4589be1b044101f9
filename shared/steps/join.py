"""Waiting for the nodes' own word that they are part of the cluster.

Rule: only the agents can say a node joined. A node that said it failed, or whose agent stays silent long after its
server was built, fails the operation once all the others have settled; the reason is the node's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Node, OperationStep
from shared.domain.errors import PermanentError
from shared.domain.states import NodeState
from shared.drivers.base import NodeAction
from shared.operations.locks import lock_cluster
from shared.operations.outputs import JoinedNodes
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.reports import move_node
from shared.operations.step_keys import CREATE_NODE_STACKS, UPDATE_NODE_STACKS
from shared.steps.commands import CommandState, command_limit, give_commands
from shared.steps.context import StepContext
from shared.steps.stacks import poll_delay

_SETTLED = {NodeState.JOINED, NodeState.FAILED}
_STACKS = (CREATE_NODE_STACKS.name, UPDATE_NODE_STACKS.name)  # a plan has one of them


async def ensure_nodes_joined(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every node that stays in the nodegroups concerned has joined."""
    limit = timedelta(minutes=context.settings.node_join_timeout_minutes)
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        rows = list(await session.scalars(_concerned(operation).order_by(Node.name).with_for_update()))
        if operation.retries:
            await ask_again(session, context, operation, rows)
        shards_done = await _shards_done_at(session, operation)
        if shards_done is not None and datetime.now(UTC) - shards_done > limit:
            await _give_up_on_silent(session, operation, rows, limit)
        joined = sum(node.state == NodeState.JOINED for node in rows)
        unsettled = [node for node in rows if node.state not in _SETTLED]
        failed = {node.name: node.reason or "failed" for node in rows if node.state == NodeState.FAILED}
        obstacle = await _why_none_can_join(session, operation) if unsettled else None
    if unsettled and obstacle is None:
        return Wait(f"{joined} of {len(rows)} nodes have joined", poll_delay(operation), joined, len(rows))
    if failed:
        shown = "; ".join(f"{name}: {reason}" for name, reason in list(failed.items())[:5])
        more = f" (and {len(failed) - 5} more)" if len(failed) > 5 else ""
        raise PermanentError(f"{len(failed)} of {len(rows)} nodes failed to join: {shown}{more}")
    if obstacle is not None:
        raise PermanentError(obstacle)
    return Done(JoinedNodes(nodes=len(rows)))


def _concerned(operation: OperationView) -> Select[Node]:
    found = select(Node).where(Node.cluster_id == operation.cluster_id, Node.state != NodeState.REMOVING)
    return found if operation.nodegroup_ids is None else found.where(Node.nodegroup_id.in_(operation.nodegroup_ids))


async def _why_none_can_join(session: AsyncSession, operation: OperationView) -> str | None:
    """Why the others wait in vain: the first master makes the cluster, and it has failed or was never made."""
    masters = list(
        await session.scalars(
            select(Node)
            .where(Node.cluster_id == operation.cluster_id, Node.role == "master", Node.state != NodeState.REMOVING)
            .order_by(Node.index)
        )
    )
    if not masters or any(node.state == NodeState.JOINED for node in masters):
        return None
    first = masters[0]
    if first.state not in (NodeState.FAILED, NodeState.PLANNED):
        return None
    return f"there is no cluster to join: master {first.name} {first.reason or 'was never made'}"


async def _shards_done_at(session: AsyncSession, operation: OperationView) -> datetime | None:
    """When the last server was built: from then on, silence counts against a node."""
    finished: datetime | None = await session.scalar(
        select(OperationStep.finished_at).where(
            OperationStep.operation_id == operation.uuid, OperationStep.name.in_(_STACKS)
        )
    )
    return finished


async def ask_again(
    session: AsyncSession, context: StepContext, operation: OperationView, nodes: Sequence[Node]
) -> None:
    """Have each node that failed to bootstrap try once more; once per run. How it ends is the node's own report."""
    failed = {node.uuid: node for node in nodes if node.state == NodeState.FAILED and node.server_id is not None}
    actions = {uuid: NodeAction(uuid, "bootstrap") for uuid in failed}
    answers = await give_commands(session, operation.run_tag, actions, limit=command_limit(context.settings))
    for uuid, answer in answers.items():
        if answer.state is CommandState.SENT:
            await move_node(session, failed[uuid], NodeState.ANNOUNCED, project_id=operation.project_id)


async def _give_up_on_silent(
    session: AsyncSession, operation: OperationView, nodes: Sequence[Node], limit: timedelta
) -> None:
    for node in nodes:
        if node.state not in _SETTLED:
            spoke = "has not joined" if node.announced_at else "has never spoken"
            minutes = int(limit.total_seconds() // 60)
            reason = f"the node's agent {spoke} within {minutes} minutes of its server being built"
            await move_node(session, node, NodeState.FAILED, project_id=operation.project_id, reason=reason)
