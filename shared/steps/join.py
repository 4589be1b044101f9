"""Waiting until the nodes report that they are part of the cluster.

Rule: only an agent can report that its node has joined. A node that reports a failure, or whose agent stays silent long
after its server was built, fails the operation once all others have settled; the reason is the node's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import BOOTSTRAP, MASTER, NodeAction
from shared.db.models import Cluster, Node, Nodegroup, OperationStep
from shared.domain.clock import utc_now
from shared.domain.errors import NotFound, PermanentError
from shared.domain.states import Loss, NodeState
from shared.drivers.registry import get_engine, get_hardware
from shared.operations.locks import lock_cluster
from shared.operations.outputs import JoinedNodes
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.reports import move_node
from shared.operations.specs import node_spec
from shared.operations.step_keys import CREATE_NODE_STACKS, UPDATE_NODE_STACKS
from shared.steps.commands import CommandState, command_limit, give_commands
from shared.steps.context import StepContext
from shared.steps.stacks import poll_delay

_SETTLED = {NodeState.JOINED, NodeState.FAILED}
_STACKS = (CREATE_NODE_STACKS.name, UPDATE_NODE_STACKS.name)  # a plan has one of them


async def ensure_nodes_joined(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every node that stays in the nodegroups concerned has joined."""
    built_at = await _shards_done_at(context, operation) or utc_now()
    return await _ensure_joined(context, operation, _concerned(operation), built_at)


async def ensure_new_nodes_joined(
    context: StepContext, operation: OperationView, nodes: Collection[str]
) -> Done | Wait:
    """These nodes have joined; all of them have servers, since their rows were last changed."""
    return await _ensure_joined(context, operation, select(Node).where(Node.uuid.in_(nodes)), None)


async def _ensure_joined(
    context: StepContext, operation: OperationView, nodes: Select[Node], built_at: datetime | None
) -> Done | Wait:
    """Args: built_at: when the last server was built; None: each when its row was changed."""
    async with context.database.transaction() as session:
        cluster = await lock_cluster(session, operation.cluster_id)
        if cluster is None:
            raise NotFound(f"cluster {operation.cluster_id} is gone")
        rows = list(await session.scalars(nodes.order_by(Node.name).with_for_update()))
        if operation.retries:
            await ask_again(session, context, operation, rows)
        await _give_up_on_silent(session, context, operation, rows, built_at)
        joined = sum(node.state == NodeState.JOINED for node in rows)
        unsettled = [node for node in rows if not _is_settled(node)]
        failed = {
            node.name: node.reason or "failed"
            for node in rows
            if node.state == NodeState.FAILED and node not in unsettled
        }
        obstacle = await _why_none_can_join(session, cluster) if unsettled else None
    if unsettled and obstacle is None:
        return Wait(f"{joined} of {len(rows)} nodes have joined", poll_delay(operation), joined, len(rows))
    if failed:
        shown = "; ".join(f"{name}: {reason}" for name, reason in list(failed.items())[:5])
        more = f" (and {len(failed) - 5} more)" if len(failed) > 5 else ""
        raise PermanentError(f"{len(failed)} of {len(rows)} nodes failed to join: {shown}{more}")
    if obstacle is not None:
        raise PermanentError(obstacle)
    return Done(JoinedNodes(nodes=len(rows)))


def _is_settled(node: Node) -> bool:
    """A node whose machine was relaunched is expected to report again."""
    return node.state in _SETTLED and node.loss != Loss.AGENT


def _concerned(operation: OperationView) -> Select[Node]:
    found = select(Node).where(Node.cluster_id == operation.cluster_id, Node.state != NodeState.REMOVING)
    return found if operation.nodegroup_ids is None else found.where(Node.nodegroup_id.in_(operation.nodegroup_ids))


async def _why_none_can_join(session: AsyncSession, cluster: Cluster) -> str | None:
    """Why the others would wait in vain: the node that founds the cluster has failed or was never created."""
    candidates = select(Node).where(
        Node.cluster_id == cluster.uuid, Node.role.in_((MASTER, BOOTSTRAP)), Node.state != NodeState.REMOVING
    )
    rows = {row.uuid: row for row in await session.scalars(candidates.order_by(Node.nodegroup_id, Node.index))}
    founder = get_engine(cluster.engine).founder([node_spec(row) for row in rows.values()])
    if founder is None or founder.state not in (NodeState.FAILED, NodeState.PLANNED):
        return None
    reason = rows[founder.uuid].reason or "was never created"
    return f"there is no cluster to join: {founder.role} {founder.name} {reason}"


async def _shards_done_at(context: StepContext, operation: OperationView) -> datetime | None:
    """When the last server was built: from then on, silence counts against a node."""
    async with context.database.transaction() as session:
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
    failed = {
        node.uuid: node
        for node in nodes
        if node.state == NodeState.FAILED and node.server_id is not None and node.loss is None
    }
    actions = {uuid: NodeAction(uuid, "bootstrap") for uuid in failed}
    answers = await give_commands(session, operation.run_tag, actions, limit=command_limit(context.settings))
    for uuid, answer in answers.items():
        if answer.state is CommandState.SENT:
            await move_node(session, failed[uuid], NodeState.ANNOUNCED, project_id=operation.project_id)


async def _give_up_on_silent(
    session: AsyncSession,
    context: StepContext,
    operation: OperationView,
    nodes: Sequence[Node],
    built_at: datetime | None,
) -> None:
    """Fail nodes that have not joined within the time of their hardware, or of the setting."""
    late = [node for node in nodes if not _is_settled(node)]
    if not late:
        return
    rows = await session.execute(
        select(Nodegroup.uuid, Nodegroup.hardware).where(Nodegroup.cluster_id == operation.cluster_id)
    )
    minutes = {uuid: _join_minutes(context, hardware) for uuid, hardware in rows}
    for node in late:
        limit = minutes[node.nodegroup_id]
        if utc_now() - (built_at or node.updated_at or node.created_at) > timedelta(minutes=limit):
            spoke = "has not joined" if node.announced_at else "has not sent any report"
            reason = f"the node's agent {spoke} within {limit} minutes of its server being built"
            if node.loss is not None:
                node.loss, node.reason = Loss.MACHINE, f"{node.reason}, and has not within {limit} minutes"
                continue
            await move_node(session, node, NodeState.FAILED, project_id=operation.project_id, reason=reason)


def _join_minutes(context: StepContext, hardware: str | None) -> int:
    own = get_hardware(hardware).join_timeout_minutes if hardware else None
    return own or context.settings.node_join_timeout_minutes
