"""Deletes a cluster and verifies that no resource of it remains.

Rule: every step works from what the cloud reports, never from recorded state, so it is correct for a cluster in any
state and for an interrupted create. Deleting a stack that fails to delete is retried until the deadline, with Heat's
reason shown; a delete never completes while a resource remains.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import select, update

from services.provisioner.steps.imported import magnum_stacks
from shared.cloud.names import base_stack, cluster_tag
from shared.cloud.types import InventoryItem, Stack
from shared.db.models import Node
from shared.domain.errors import TemporaryError
from shared.domain.states import NodeState
from shared.operations.outputs import StoppedAgents
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.step_keys import STOP_AGENTS
from shared.steps.context import StepContext
from shared.steps.credentials import delete_credentials, first_name, names, read_credential
from shared.steps.stacks import poll_delay
from shared.telemetry import crashpoints


async def ensure_agents_stopped(context: StepContext, operation: OperationView) -> Done | Wait:
    """Reject all further requests of the nodes' agents."""
    async with context.database.transaction() as session:
        await session.execute(
            update(Node)
            .where(Node.cluster_id == operation.cluster_id, Node.state != NodeState.REMOVING)
            .values(state=NodeState.REMOVING)
        )
        servers = await session.scalars(
            select(Node.server_id).where(Node.cluster_id == operation.cluster_id, Node.server_id.is_not(None))
        )
        return Done(StoppedAgents(servers=tuple(servers)))


async def ensure_shards_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    """All stacks except the base stack, whose network they use."""
    base = base_stack(operation.cluster_id)
    stacks = [stack for stack in await _tagged_stacks(context, operation) if stack.name != base]
    stacks += (await magnum_stacks(context, operation)).others
    return await _ensure_stacks_gone(context, operation, stacks, "node stacks")


async def ensure_service_load_balancers_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    """Load balancers that the cluster's cloud controller created; the network cannot be deleted while they exist."""
    items = [item for item in await _inventory(context, operation) if item.kind == "load_balancer"]
    mine = {stack.id for stack in await _stacks(context, operation)}
    return await _remove(context, operation, [item for item in items if item.id not in mine and not _is_ours(item)])


def _is_ours(item: InventoryItem) -> bool:
    """Load balancers of the base stack carry our name and are deleted with it."""
    return item.name.startswith("jeroboam-")


async def ensure_base_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    return await _ensure_stacks_gone(context, operation, await _stacks(context, operation), "base stack")


async def ensure_nothing_left(context: StepContext, operation: OperationView) -> Done | Wait:
    """Nothing tagged with the cluster's id remains; leftovers of incomplete stacks and calls are deleted one by one."""
    return await _remove(context, operation, await _inventory(context, operation))


async def ensure_credential_gone(context: StepContext, operation: OperationView) -> Done | Wait:
    stored = await read_credential(context, operation)
    await delete_credentials(context, operation, sorted({first_name(operation), *names(stored)}))
    return Done()


async def _stacks(context: StepContext, operation: OperationView) -> list[Stack]:
    return await _tagged_stacks(context, operation) + (await magnum_stacks(context, operation)).all()


async def _tagged_stacks(context: StepContext, operation: OperationView) -> list[Stack]:
    # Not the shared list: a stack that another process has just created must be seen.
    return await context.cloud(operation).list_stacks(tag=cluster_tag(operation.cluster_id))


async def _ensure_stacks_gone(
    context: StepContext, operation: OperationView, stacks: Sequence[Stack], what: str
) -> Done | Wait:
    if not stacks:
        return Done()
    cloud = context.cloud(operation)
    idle = [stack for stack in stacks if stack.status != "DELETE_IN_PROGRESS"]
    slots = asyncio.Semaphore(context.settings.stack_concurrency)

    async def delete(stack: Stack) -> None:
        async with slots:
            await cloud.delete_stack(stack.id)
            await crashpoints.reached("stack.delete_sent")

    await asyncio.gather(*(delete(stack) for stack in idle))
    stuck = [stack for stack in idle if stack.status == "DELETE_FAILED"]
    if stuck:
        # The delete has been requested again; this error carries the reason and increases the delay.
        raise TemporaryError("; ".join(f"{stack.name}: {stack.status_reason}" for stack in stuck))
    return Wait(f"{len(stacks)} {what} still to be deleted", poll_delay(operation))


async def _inventory(context: StepContext, operation: OperationView) -> list[InventoryItem]:
    servers = operation.output(STOP_AGENTS).servers
    return await context.cloud(operation).inventory(cluster_id=operation.cluster_id, server_ids=servers)


async def _remove(context: StepContext, operation: OperationView, items: Sequence[InventoryItem]) -> Done | Wait:
    if not items:
        return Done()
    cloud = context.cloud(operation)
    outcomes = await asyncio.gather(*(cloud.delete_leftover(item) for item in items), return_exceptions=True)
    refusals = [
        f"{item.kind} {item.name or item.id}: {outcome}"
        for item, outcome in zip(items, outcomes, strict=True)
        if isinstance(outcome, BaseException)
    ]
    if refusals:
        raise TemporaryError("; ".join(refusals[:5]))
    kinds = ", ".join(sorted({item.kind for item in items}))
    return Wait(f"removed {len(items)} leftovers ({kinds}); checking again", 1.0)
