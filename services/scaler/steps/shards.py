"""Updates the stacks of added and removed nodes: one update per affected shard, in parallel."""

from __future__ import annotations

from shared.operations.outputs import NodeStacks
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.step_keys import SELECT_NODES
from shared.steps.context import StepContext
from shared.steps.shards import drive_shards, shards_of


async def ensure_shards(context: StepContext, operation: OperationView) -> Done | Wait:
    """The selected shards contain exactly the nodes that remain."""
    chosen = set(operation.output(SELECT_NODES).shards)
    state = await context.cluster(operation)
    shards = shards_of(state, await context.stacks.by_name(operation.project_id))
    touched = [shard for shard in shards if (shard.group.uuid, shard.number) in chosen]
    return await drive_shards(context, operation, state, touched) or Done(NodeStacks(stacks=len(touched)))
