"""The stacks of the nodes that come and go: one update for each shard concerned, all at the same time."""

from __future__ import annotations

from sqlalchemy import update

from shared.db.models import Nodegroup
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.context import Context
from shared.steps.shards import drive_shards, shards_of


async def ensure_shards(context: Context, operation: OperationView) -> Done | Wait:
    """The shards that were chosen have the nodes that stay, and no others."""
    chosen = {(group, number) for group, number in operation.output("ensure_nodes_chosen").get("shards", [])}
    state = await context.cluster(operation)
    shards = shards_of(state)
    touched = [shard for shard in shards if (shard.group.uuid, shard.number) in chosen]
    waiting = await drive_shards(context, operation, state, touched)
    if waiting is not None:
        return waiting
    listed = await context.stacks.by_name(operation.project_id)
    first = {
        group: min(
            (
                (shard.number, listed[shard.name].id)
                for shard in shards
                if shard.group.uuid == group and shard.nodes and shard.name in listed
            ),
            default=(0, None),
        )[1]
        for group in {shard.group.uuid for shard in touched}
    }
    async with context.database.transaction() as session:
        for group, stack_id in first.items():
            await session.execute(update(Nodegroup).where(Nodegroup.uuid == group).values(stack_id=stack_id))
    return Done({"stacks": len(touched)})
