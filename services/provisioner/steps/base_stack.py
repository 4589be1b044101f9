"""Secrets, the add-ons' credential and the base stack: the prerequisites of every node."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from jeroboam.driver import SecretKind
from shared.cloud import names
from shared.db.models import Cluster
from shared.domain.errors import PermanentError
from shared.operations.node_tokens import SEED_SECRET
from shared.operations.outputs import BaseStack
from shared.operations.plan import Done, OperationView, Wait
from shared.pki.cluster_secrets import ensure_cluster_secrets
from shared.stacks import base_stack
from shared.steps.context import StepContext
from shared.steps.credentials import first_name, make_credential
from shared.steps.stacks import drive_stack, poll_delay, send_stack


async def ensure_base_stack_sent(context: StepContext, operation: OperationView) -> Done | Wait:
    """Submit the base stack first, so that Heat builds it while keys are generated.

    There is no lookup before the call: a name that is taken belongs to the stack of an earlier attempt.
    """
    state = await context.cluster(operation)
    template = base_stack.render(state.engine, state.spec, list(state.nodegroups.values()))
    await send_stack(context, operation, names.base_stack(operation.cluster_id), template)
    return Done()


async def ensure_secrets(context: StepContext, operation: OperationView) -> Done | Wait:
    """The cluster's authorities, keys and tokens, as its engine declares them."""
    state = await context.cluster(operation)
    await ensure_cluster_secrets(
        context.database,
        context.sealer,
        cluster_id=operation.cluster_id,
        cluster_name=operation.cluster_name,
        kinds={**state.engine.secrets, SEED_SECRET: SecretKind.BOOTSTRAP_TOKEN},
        algorithm=state.engine.key_algorithm(state.spec),
    )
    return Done()


async def ensure_credential(context: StepContext, operation: OperationView) -> Done | Wait:
    """A restricted application credential for the add-ons that talk to OpenStack."""
    await make_credential(context, operation, first_name(operation))
    return Done()


async def ensure_base_stack(context: StepContext, operation: OperationView) -> Done | Wait:
    """Network, security groups, the API's address: Heat's `jeroboam-<uuid>-base`."""
    state = await context.cluster(operation)
    name = names.base_stack(operation.cluster_id)
    found = (await context.stacks.by_name(operation.project_id)).get(name)
    stack = await drive_stack(
        context,
        operation,
        name,
        found,
        lambda: base_stack.render(state.engine, state.spec, list(state.nodegroups.values())),
    )
    if stack is None or stack.in_progress:
        return Wait("the base stack is being built", poll_delay(operation), 0, len(state.nodes))
    if stack.failed:
        raise PermanentError(f"base stack: {stack.status_reason}")
    full = await context.cloud(operation).find_stack(stack.id)
    if full is None:
        return Wait("the base stack was replaced during the lookup", poll_delay(operation))
    await _record_base(context, operation, full.id, dict(full.outputs), state.engine.api_url(state.spec, full.outputs))
    return Done(BaseStack(stack_id=full.id))


async def _record_base(
    context: StepContext, operation: OperationView, stack_id: str, outputs: dict[str, Any], api_url: str
) -> None:
    async with context.database.transaction() as session:
        await session.execute(
            update(Cluster)
            .where(Cluster.uuid == operation.cluster_id)
            .values(stack_id=stack_id, base_outputs=outputs, api_address=api_url)
        )
