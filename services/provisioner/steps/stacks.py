"""Driving one Heat stack to where it should be.

Rule: look before making. The stack's own tags say which run drove it last, so a stack that failed in an earlier run
is driven again (as an update, which mends what failed) and one that failed in this run is a failure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

from services.provisioner.context import Context
from shared.cloud.names import OWNED, cluster_tag
from shared.cloud.types import Stack
from shared.drivers.base import Template
from shared.operations.plan import OperationView
from shared.runtime import crashpoints

POLL_FIRST = 1.0
POLL_MAX = 15.0


async def drive_stack(
    context: Context, operation: OperationView, name: str, found: Stack | None, render: Callable[[], Template]
) -> Stack | None:
    """Create the stack or drive it again, if either is called for.

    Args:
        name: derived from the cluster's id.
        found: what the project's list has under that name.
        render: makes the template, only when it is needed.

    Returns:
        The stack as it is now when nothing had to be done; None when a call was made and Heat needs time.
    """
    cloud = context.cloud(operation)
    tags = [OWNED, cluster_tag(operation.cluster_id), operation.run_tag]
    timeout = stack_timeout_minutes(operation, context.settings.create_timeout_minutes)
    if found is None:
        await cloud.create_stack(name, render(), tags=tags, timeout_minutes=timeout)
        await crashpoints.reached("stack.created")
        return None
    if found.failed and operation.run_tag not in found.tags:
        await cloud.update_stack(found.id, render(), tags=tags, timeout_minutes=timeout)
        await crashpoints.reached("stack.driven_again")
        return None
    return found


def stack_timeout_minutes(operation: OperationView, default: int) -> int:
    """Heat's own limit: what is left of the operation's, so that neither outlives the other for long."""
    if operation.deadline_at is None:
        return default
    return max(1, math.ceil((operation.deadline_at - datetime.now(UTC)).total_seconds() / 60))


def poll_delay(operation: OperationView) -> float:
    """Seconds until to look again: a tenth of the operation's age, so that long builds are asked about rarely."""
    age = (datetime.now(UTC) - operation.created_at).total_seconds()
    return min(POLL_MAX, max(POLL_FIRST, age / 10))
