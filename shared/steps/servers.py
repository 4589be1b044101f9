"""A look at the servers of the cluster before it is changed."""

from __future__ import annotations

from shared.operations.plan import Done, OperationView, Wait
from shared.operations.server_look import look_at_servers
from shared.steps.context import StepContext
from shared.steps.step_plan import StepOfContext


def after_look(step: StepOfContext) -> StepOfContext:
    """The step, which finds in the rows of the cluster's nodes what Nova says of their servers now."""

    async def look_first(context: StepContext, operation: OperationView) -> Done | Wait:
        clusters = [operation.cluster_id]
        await look_at_servers(context.database, context.sealer, context.clouds, operation.project_id, clusters)
        return await step(context, operation)

    return look_first
