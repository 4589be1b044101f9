"""The shards: every nodegroup's stacks, in parallel, each with at most `nodes_per_stack` nodes.

Rule: a shard is updated to contain exactly the nodes that remain; a shard without nodes is deleted. All additions and
removals in a shard are one update of its stack. A failed shard does not stop the others; when all have settled, the
operation fails with each node's reason. Nothing is rolled back: resources already created are kept, and a retry repairs
the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import update

from jeroboam.driver import NodegroupSpec, NodeSpec
from shared.cloud.names import shard_stack
from shared.cloud.types import Stack
from shared.db.models import Nodegroup
from shared.domain.errors import PermanentError, TemporaryError
from shared.domain.states import NodeState
from shared.operations.cluster_state import ClusterState
from shared.operations.outputs import NodeStacks
from shared.operations.plan import Done, OperationView, Wait
from shared.stacks.shard_template import EMPTY, edited, node_indexes
from shared.steps import shard_nodes
from shared.steps.context import StepContext
from shared.steps.stacks import change_stack, has_changed, poll_delay, remove_stack, send_stack

_WORKING = {NodeState.ANNOUNCED, NodeState.JOINED}


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard as it is to be: `nodes` are those that stay; `name` is its stack's."""

    name: str
    number: int
    group: NodegroupSpec
    nodes: tuple[NodeSpec, ...]
    leaving: bool  # whether it has nodes that go


def shards_of(state: ClusterState, listed: Mapping[str, Stack]) -> list[Shard]:
    """All of a cluster's shards, those of no node left included; `listed` are the project's stacks by name."""
    found = []
    for (group_id, number), nodes in state.shards().items():
        group = state.nodegroups[group_id]
        staying = tuple(node for node in nodes if node.state != NodeState.REMOVING)
        name = shard_stack(state.spec.uuid, group.name, number, listed=listed)
        found.append(Shard(name, number, group, staying, len(staying) < len(nodes)))
    return found


async def ensure_shards(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every shard's stack is complete, and every node's server and addresses are known."""
    state = await context.cluster(operation)
    shards = shards_of(state, await context.stacks.by_name(operation.project_id))
    return await drive_shards(context, operation, state, shards) or Done(NodeStacks(stacks=len(shards)))


async def drive_shards(
    context: StepContext, operation: OperationView, state: ClusterState, shards: Sequence[Shard]
) -> Wait | None:
    """Bring these shards to where they should be; None when they are there.

    Raises:
        PermanentError: all have settled and some failed; the nodes have their reasons.
        TemporaryError: Heat failed to delete an empty shard, and was asked again.
    """
    nodes = [node for shard in shards for node in shard.nodes]
    run = _Run(
        context,
        operation,
        state,
        await context.stacks.by_name(operation.project_id),
        await shard_nodes.node_tokens(context, operation, nodes),
        await shard_nodes.built(context, operation),
    )
    slots = asyncio.Semaphore(context.settings.stack_concurrency)

    async def drive(shard: Shard) -> Stack | None:
        async with slots:
            return await run.drive(shard)

    stacks = await asyncio.gather(*(drive(shard) for shard in shards))
    settled = [(shard, stack) for shard, stack in zip(shards, stacks, strict=True) if stack and not stack.in_progress]
    gone = [shard for shard in shards if not shard.nodes and shard.name not in run.listed]
    for shard, stack in settled:
        if stack.complete:
            await shard_nodes.record_servers(context, operation, stack, shard.nodes)
    if len(settled) + len(gone) < len(shards):
        found = [run.listed[shard.name] for shard in shards if shard.name in run.listed]
        if stuck := [f"{stack.name}: {stack.status_reason}" for stack in found if stack.status == "DELETE_FAILED"]:
            raise TemporaryError("; ".join(stuck))
        joined = sum(node.state == NodeState.JOINED for node in nodes)
        reason = f"{len(settled) + len(gone)} of {len(shards)} stacks are complete"
        return Wait(reason, poll_delay(operation), joined, len(nodes))
    failed = [(shard, stack) for shard, stack in settled if stack.failed]
    for shard, stack in failed:
        await shard_nodes.record_faults(context, operation, stack, shard.nodes)
    if failed:
        raise PermanentError("; ".join(f"{stack.name}: {stack.status_reason}" for _, stack in failed))
    await _record_first_stacks(context, operation, state, {shard.group.uuid for shard in shards})
    return None


async def _record_first_stacks(
    context: StepContext, operation: OperationView, state: ClusterState, groups: Collection[str]
) -> None:
    """A nodegroup's `stack_id` is its first shard's, as long as it has one."""
    listed = await context.stacks.by_name(operation.project_id)
    there = [shard for shard in shards_of(state, listed) if shard.nodes and shard.name in listed]
    first: dict[str, str | None] = dict.fromkeys(groups)
    for shard in sorted(there, key=lambda shard: shard.number, reverse=True):
        if shard.group.uuid in first:
            first[shard.group.uuid] = listed[shard.name].id
    async with context.database.transaction() as session:
        for group, stack_id in first.items():
            await session.execute(update(Nodegroup).where(Nodegroup.uuid == group).values(stack_id=stack_id))


@dataclass(slots=True)
class _Run:
    """One look at the shards, and what follows from it for each."""

    context: StepContext
    operation: OperationView
    state: ClusterState
    listed: Mapping[str, Stack]
    tokens: Mapping[str, str]
    built: frozenset[str]

    async def drive(self, shard: Shard) -> Stack | None:
        """The shard's stack when nothing had to be done; None when it is gone or Heat needs time."""
        found = self.listed.get(shard.name)
        if found is None:
            if shard.nodes:
                await shard_nodes.prepare(self.context, shard.nodes, self.tokens)
                template = self._render(shard, shard.nodes)
                await send_stack(self.context, self.operation, shard.name, template)
            return None
        try:
            return await self._bring(shard, found)
        except (TemporaryError, PermanentError):
            if not await has_changed(self.context, self.operation, found):
                raise
            return None

    async def _bring(self, shard: Shard, found: Stack) -> Stack | None:
        if found.status == "DELETE_IN_PROGRESS":
            return None
        if not shard.nodes or found.status == "DELETE_FAILED":
            await remove_stack(self.context, self.operation, found)
            return None
        if found.in_progress or self.operation.run_tag in found.tags:
            return found
        if found.complete and not shard.leaving and self.built.issuperset(node.uuid for node in shard.nodes):
            return found
        return await self._change(shard, found)

    async def _change(self, shard: Shard, found: Stack) -> Stack | None:
        """Edit the stack's own template; what is wanted already is looked at once more, for the list may be old."""
        cloud = self.context.cloud(self.operation)
        held = await cloud.stack_template(found.id)
        there = node_indexes(held)
        kept = {node.index for node in shard.nodes if node.index in there and self._stands(node)}
        new = [node for node in shard.nodes if node.index not in kept]
        wanted = edited(held, self._render(shard, new) if new else EMPTY, kept)
        if wanted == held and found.complete:
            return await cloud.find_stack(found.id)
        await shard_nodes.prepare(self.context, new, self.tokens)
        await change_stack(self.context, self.operation, found, wanted)
        return None

    def _stands(self, node: NodeSpec) -> bool:
        return node.uuid in self.built or node.state in _WORKING

    def _render(self, shard: Shard, nodes: Sequence[NodeSpec]) -> dict[str, object]:
        return shard_nodes.render(self.context, self.state, shard.group, nodes, self.tokens)
