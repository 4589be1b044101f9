"""The stacks of a cluster that Magnum created: they carry none of our tags, only their ids are known.

Rule: the import stored the ids in the rows; a stack that Heat no longer has counts as deleted. Heat deletes nested
stacks together with their parent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy import select

from shared.cloud.types import Stack
from shared.db.models import Cluster, Nodegroup
from shared.drivers.registry import engines
from shared.operations.plan import OperationView
from shared.steps.context import StepContext


@dataclass(frozen=True, slots=True)
class MagnumStacks:
    """`base` is the stack with the network and the default nodegroups; `others` are nodegroups of their own."""

    base: Stack | None
    others: tuple[Stack, ...]

    def all(self) -> list[Stack]:
        return [*self.others, *([self.base] if self.base else [])]


async def magnum_stacks(context: StepContext, operation: OperationView) -> MagnumStacks:
    """What is left of an imported cluster's stacks; nothing for a cluster of our own."""
    async with context.database.transaction() as session:
        cluster = await session.scalar(select(Cluster).where(Cluster.uuid == operation.cluster_id))
        groups = await session.scalars(select(Nodegroup.stack_id).where(Nodegroup.cluster_id == operation.cluster_id))
        recorded = {stack_id for stack_id in groups if stack_id}
    engine = engines().get(cluster.engine) if cluster is not None else None
    # Without its driver, a cluster could be either; its recorded stacks are deleted in both cases.
    if cluster is None or (engine is not None and not engine.adopted):
        return MagnumStacks(None, ())
    cloud = context.cloud(operation)
    base = await cloud.find_stack(cluster.stack_id) if cluster.stack_id else None
    found = await asyncio.gather(*(cloud.find_stack(each) for each in sorted(recorded - {cluster.stack_id})))
    return MagnumStacks(base, tuple(stack for stack in found if stack is not None))
