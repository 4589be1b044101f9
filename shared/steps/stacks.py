"""Creates or updates one Heat stack.

Rule: check before creating, and check again before treating a refusal as final, because the list may be outdated. The
stack's tags identify the run that last updated it, so a stack that failed in an earlier run is updated again (which
repairs what failed), and one that failed in this run is a failure.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from shared.cloud.names import OWNED, cluster_tag
from shared.cloud.types import Stack
from shared.domain.clock import utc_now
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
    """Create the stack, or update it again, if necessary.

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
    """Create a stack; an existing one of that name is used."""
    made = await context.cloud(operation).create_stack(
        name, template, tags=_tags(operation), timeout_minutes=_minutes_left(context, operation)
    )
    context.stacks.add(operation.project_id, made)
    await crashpoints.reached("stack.created")


async def change_stack(context: StepContext, operation: OperationView, stack: Stack, template: Template) -> None:
    """Update a stack to another template, tagged with this run."""
    await context.cloud(operation).update_stack(
        stack.id, template, tags=_tags(operation), timeout_minutes=_minutes_left(context, operation)
    )
    # The cached list is outdated now.
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
    """Heat's own timeout: the rest of the operation's, so that both end at about the same time."""
    if operation.deadline_at is None:
        return context.settings.create_timeout_minutes
    return max(1, math.ceil((operation.deadline_at - utc_now()).total_seconds() / 60))


def poll_delay(operation: OperationView) -> float:
    """Seconds until the next poll: a tenth of the operation's age, so that long builds are polled rarely."""
    age = (utc_now() - operation.created_at).total_seconds()
    return min(POLL_MAX, max(POLL_FIRST, age / 10))
