"""Driving one Heat stack to where it should be.

Rule: look before making, and look again before believing a refusal, because the list may be older than the stack. The
stack's own tags say which run drove it last, so a stack that failed in an earlier run is driven again (as an update,
which mends what failed) and one that failed in this run is a failure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

from shared.cloud.names import OWNED, cluster_tag
from shared.cloud.types import Stack
from shared.domain.errors import PermanentError, TemporaryError
from shared.operations.plan import OperationView
from shared.stacks.hot import Template
from shared.steps.context import StepContext
from shared.telemetry import crashpoints

POLL_FIRST = 1.0
POLL_MAX = 15.0


async def drive_stack(
    context: StepContext, operation: OperationView, name: str, found: Stack | None, render: Callable[[], Template]
) -> Stack | None:
    """Create the stack or drive it again, if either is called for.

    Args:
        name: derived from the cluster's id.
        found: what the project's list has under that name.
        render: makes the template, only when it is needed.

    Returns:
        The stack as it is now when nothing had to be done; None when a call was made and Heat needs time.
    """
    if found is None:
        await send_stack(context, operation, name, render())
        return None
    if found.failed and operation.run_tag not in found.tags:
        try:
            await change_stack(context, operation, found, render())
        except (TemporaryError, PermanentError):
            if not await has_changed(context, operation, found):
                raise
        return None
    return found


async def send_stack(context: StepContext, operation: OperationView, name: str, template: Template) -> None:
    """Ask Heat for a stack; where it has one of that name already, that is the one."""
    made = await context.cloud(operation).create_stack(
        name, template, tags=_tags(operation), timeout_minutes=_minutes_left(context, operation)
    )
    context.stacks.add(operation.project_id, made)
    await crashpoints.reached("stack.created")


async def change_stack(context: StepContext, operation: OperationView, stack: Stack, template: Template) -> None:
    """Ask Heat to bring a stack to another template; this run has then driven it."""
    await context.cloud(operation).update_stack(
        stack.id, template, tags=_tags(operation), timeout_minutes=_minutes_left(context, operation)
    )
    # What the list says of it is not so any more.
    context.stacks.expire(operation.project_id)
    await crashpoints.reached("stack.driven_again")


async def remove_stack(context: StepContext, operation: OperationView, stack: Stack) -> None:
    """Ask Heat to delete a stack."""
    await context.cloud(operation).delete_stack(stack.id)
    context.stacks.expire(operation.project_id)
    await crashpoints.reached("stack.delete_sent")


async def has_changed(context: StepContext, operation: OperationView, listed: Stack) -> bool:
    """Whether a stack is gone, or in another state than the list has it: what Heat refused is then no failure.

    The list is expired, so that the next look is at the present state.
    """
    context.stacks.expire(operation.project_id)
    found = await context.cloud(operation).find_stack(listed.id)
    return found is None or found.status != listed.status


def _tags(operation: OperationView) -> list[str]:
    return [OWNED, cluster_tag(operation.cluster_id), operation.run_tag]


def _minutes_left(context: StepContext, operation: OperationView) -> int:
    """Heat's own limit: what is left of the operation's, so that neither outlives the other for long."""
    if operation.deadline_at is None:
        return context.settings.create_timeout_minutes
    return max(1, math.ceil((operation.deadline_at - datetime.now(UTC)).total_seconds() / 60))


def poll_delay(operation: OperationView) -> float:
    """Seconds until to look again: a tenth of the operation's age, so that long builds are asked about rarely."""
    age = (datetime.now(UTC) - operation.created_at).total_seconds()
    return min(POLL_MAX, max(POLL_FIRST, age / 10))
